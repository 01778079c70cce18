/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#define QS_BUS_NAME "org.example.Snapshot"
#define QS_PATH "/org/example/Snapshot"
#define QS_MANAGER_INTERFACE QS_BUS_NAME ".Manager"
#define QS_DOMAIN_INTERFACE QS_BUS_NAME ".Domain"
#define QS_SNAPSHOT_INTERFACE QS_BUS_NAME ".DomainSnapshot"
#define QS_JOB_INTERFACE QS_BUS_NAME ".Job"
#define QS_ERROR_PREFIX QS_BUS_NAME ".Error."

/* on each method of the introspection XML: which polkit action it asks for */
#define QS_ACTION_ANNOTATION QS_BUS_NAME ".Action"
#define QS_ACTION_PREFIX "org.example.snapshot."

#define QS_OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define QS_PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
