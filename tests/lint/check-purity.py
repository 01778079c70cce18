#!/usr/bin/python3
"""check-purity.py LIBQS-CORE.A: the core asks nothing of the world.

Every symbol the archive leaves undefined must be one of the families below: containers, strings
and values of GLib, libxml2 on documents in memory, json-glib, and memory and strings of the C
library. No file, process, bus, clock, environment, thread or random call.
"""
import re
import subprocess
import sys

import tree

GLIB = ('array', 'ascii', 'assert', 'assertion_message', 'atomic_int', 'atomic_pointer',
        'atomic_rc_box', 'atomic_ref_count', 'base64', 'byte_array', 'bytes', 'checksum', 'clear',
        'compute_checksum', 'date_time_new_from_unix', 'date_time_format', 'direct', 'error',
        'hash_table', 'int', 'int64', 'intern', 'list', 'log', 'malloc', 'malloc0',
        'markup_escape', 'markup_printf', 'memdup2', 'node', 'object', 'once_init', 'path_get',
        'path_is_absolute', 'pointer', 'prefix_error', 'propagate', 'ptr_array', 'quark', 'queue',
        'rc_box', 'realloc', 'ref_string', 'regex', 'return_if', 'return_if_fail', 'sequence',
        'set_error', 'shell_quote', 'slist', 'snprintf', 'stpcpy', 'str[a-z0-9]*', 'tree',
        'try_malloc', 'try_realloc', 'type', 'unichar', 'utf8', 'uuid_string_is_valid', 'variant',
        'vasprintf', 'warn_message')
# of an absolute path g_canonicalize_filename() asks nothing of the world
GLIB_WORDS = ('g_free', 'g_steal_pointer', 'g_checked_allocation', 'g_canonicalize_filename',
              'g_build_filename')
LIBC = ('mem(chr|cmp|cpy|mem|move|rchr|set)', 'str[a-z]+', '__[a-z]+_chk', '__stack_chk_fail',
        '__ctype_[a-z_]+', 'v?snprintf', 'v?asprintf', 'bsearch', 'qsort', 'abort', 'abs',
        '__isoc99_sscanf', '__errno_location', '_GLOBAL_OFFSET_TABLE_', r'__(asan|ubsan|gcov)_\w+',
        '__assert_fail')
XML = ('xml[A-Z]\\w*', 'xml(Free|Malloc|Strdup)', '__xml\\w+', 'html\\w+')
ALLOWED = re.compile('^(' + '|'.join(
    [f'g_{family}(_\\w+)?' for family in GLIB] + list(GLIB_WORDS) + list(LIBC) + list(XML)
    + ['json_\\w+', 'qs_\\w+']) + ')$')
DENIED = re.compile('|'.join((
    'strerror_l', r'^str(ftime|ptime)', r'_random$', 'uuid_string_random', 'Nano(HTTP|FTP)',
    r'^xml(ParseFile|ReadFile|SaveFile|SaveFormatFile|CtxtReadFile|DocDump$|ReadFd|ReadIO)',
    r'^xmlRelaxNGNewParserCtxt$', r'^xmlNewTextWriterFilename', r'json_parser_load_from_file',
    r'json_parser_load_from_mapped_file', r'json_generator_to_file', r'json_\w*stream',
    'g_file_error')))


def undefined(archive):
    """(member, symbol) of everything the members leave undefined."""
    result = subprocess.run(['nm', '-u', archive], capture_output=True, text=True, check=True)
    member = ''
    for line in result.stdout.splitlines():
        if line.endswith(':'):
            member = line[:-1]
        elif line.strip():
            yield member, line.split()[-1].split('@')[0]


def main(archive):
    found = sorted(set(undefined(archive)))
    bad = [f'{member}: {symbol}' for member, symbol in found
           if DENIED.search(symbol) or not ALLOWED.match(symbol)]
    tree.finish(bad, len(found))


main(*sys.argv[1:])
