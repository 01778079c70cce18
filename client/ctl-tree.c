/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-tree.h"

#include "qs-name.h"

/* one line of ancestors can be as long as there are snapshots: no recursion */
typedef struct
{
  const QsCtlNode *nodes;
  int *first; /* child of each */
  int *next;  /* sibling of each */
  GString *indent;
  GString *text;
} Printer;

static void
printer_init (Printer *printer, const QsCtlNode *nodes, guint n_nodes)
{
  printer->nodes = nodes;
  printer->first = g_new (int, n_nodes);
  printer->next = g_new (int, n_nodes);
  printer->indent = g_string_new (NULL);
  printer->text = g_string_new (NULL);
  for (guint i = 0; i < n_nodes; i++)
    printer->first[i] = printer->next[i] = -1;
  for (int i = (int)n_nodes - 1; i >= 0; i--)
    {
      if (nodes[i].parent < 0)
        continue;
      printer->next[i] = printer->first[nodes[i].parent];
      printer->first[nodes[i].parent] = i;
    }
}

static void
printer_clear (Printer *printer)
{
  g_free (printer->first);
  g_free (printer->next);
  g_string_free (printer->indent, TRUE);
  if (printer->text != NULL)
    g_string_free (printer->text, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Printer, printer_clear)

static gboolean
is_root (const Printer *printer, int node)
{
  return printer->nodes[node].parent < 0;
}

static gboolean
is_last (const Printer *printer, int node)
{
  return is_root (printer, node) || printer->next[node] < 0;
}

static void
enter (Printer *printer, int node)
{
  g_autofree char *name = qs_escape_for_terminal (printer->nodes[node].name);

  g_string_append_printf (printer->text, "%s%s%s\n", printer->indent->str,
                          is_root (printer, node) ? "" : "+- ", name);
  if (!is_root (printer, node))
    g_string_append (printer->indent, is_last (printer, node) ? "  " : "| ");
  if (printer->first[node] >= 0)
    g_string_append_printf (printer->text, "%s  |\n", printer->indent->str);
  g_string_append (printer->indent, "  ");
}

static void
leave (Printer *printer, int node)
{
  GString *indent = printer->indent;

  g_string_truncate (indent, indent->len - 2);
  if (printer->first[node] < 0 && is_last (printer, node))
    g_string_append_printf (printer->text, "%s\n", indent->str);
  if (!is_root (printer, node))
    g_string_truncate (indent, indent->len - 2);
}

static void
print_root (Printer *printer, int root)
{
  int node = root;

  enter (printer, node);
  while (TRUE)
    {
      int down = printer->first[node];

      while (down < 0)
        {
          leave (printer, node);
          if (node == root)
            return;
          down = printer->next[node];
          node = printer->nodes[node].parent;
        }
      node = down;
      enter (printer, node);
    }
}

/**
 * qs_ctl_tree_format:
 *
 * Returns: (transfer full): the tree as virsh draws it, children in the order of @nodes
 */
char *
qs_ctl_tree_format (const QsCtlNode *nodes, guint n_nodes)
{
  g_auto (Printer) printer = { NULL };

  printer_init (&printer, nodes, n_nodes);
  for (guint i = 0; i < n_nodes; i++)
    if (nodes[i].parent < 0)
      print_root (&printer, (int)i);
  return g_string_free (g_steal_pointer (&printer.text), FALSE);
}
