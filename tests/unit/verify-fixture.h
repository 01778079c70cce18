/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "plan-fixture.h"

/* a domain with one disk and an external snapshot, and all its files as they should be: the state in
   vda.qcow2, on which the guest's vda.s1 stands; the memory of the snapshot in memory */

#define VERIFY_FOLDER "/images/"
#define VERIFY_STATE "/images/vda.qcow2"
#define VERIFY_TOP "/images/vda.s1"
#define VERIFY_MEMORY "/images/memory"
#define VERIFY_TAG "s-99999999-2222-4333-8444-555555555555"

QsDomain *verify_domain (void);
QsFacts *verify_facts (void);
QsFile *verify_file (QsFacts *facts, const char *path);
QsSight *verify_sight (QsFacts *facts, const char *path);
QsSight *verify_add_sight (GPtrArray *list, const char *path, guint64 ino);
void verify_add_tag (QsSight *sight, const char *name);
void verify_lose (QsFacts *facts, const char *path);
