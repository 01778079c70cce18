# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: 2026 The snapshotd developers
#
# counter.S: a guest of one sector that counts in memory and on all its disks.
#
# Booted by the BIOS from the first disk. It takes the counter from LBA 1 of that disk and prints
# `boot=XXXXXXXX`; then, 18 times a second, for every disk: LBA 1 must still hold what was last
# written (else an error is counted: memory and disk do not belong together), the counter is
# incremented and written to LBA 1 and to LBA 16 + counter mod 1024, and `n=XXXXXXXX e=XXXXXXXX`
# is printed (counter, errors) on the first serial port. The power button switches it off.
#
# A sector it writes holds: counter, "QSCN", number of the disk (0x80 ...), then 125 times the
# counter, all 32 bits, little endian. Disks are written in order: when the machine is stopped
# at any moment, a disk's counter is that of the disk before it or one less. In memory, at 0x9000,
# stand the counter, the errors, and how many disks have been brought to the counter: with them it
# can be told what each disk must hold.

        .code16
        .globl _start

        .set COUNTER, 0x9000
        .set ERRORS, 0x9004
        .set WRITTEN, 0x9008            # disks that hold the counter
        .set SECTOR, 0x9200             # what is written
        .set CHECK, 0x9400              # what was read
        .set PACKET, 0x9600             # address packet of INT 13h
        .set MAGIC, 0x4e435351          # "QSCN"
        .set TICKS, 0x46c               # BIOS: timer ticks
        .set DISKS, 0x475               # BIOS: number of hard disks
        .set PM_STATUS, 0x600           # ACPI ports as SeaBIOS places them
        .set PM_ENABLE, 0x602
        .set PM_CONTROL, 0x604

_start:
        ljmp $0, $start
start:
        xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7c00, %sp
        cld
        sti
        movw $PM_ENABLE, %dx            # let the power button set its status bit
        movw $0x100, %ax
        outw %ax, %dx

        movl $0, ERRORS
        movl $0, WRITTEN
        movb $0x80, %dl
        movw $CHECK, %di
        call read_first
        movl CHECK, %eax
        cmpl $MAGIC, CHECK + 4
        je 1f
        xorl %eax, %eax
1:      movl %eax, COUNTER
        movw $boot_text, %si
        call print_number
        movb $'\n', %al
        call print
        call write_all                  # bring all disks to the counter of the first

tick:
        movl TICKS, %eax
1:      hlt
        cmpl TICKS, %eax
        je 1b
        movw $PM_STATUS, %dx
        inw %dx, %ax
        cmpw $0xffff, %ax               # nothing there: a machine without ACPI
        je 2f
        testb $1, %ah
        jnz power_off
2:
        call check_all
        movl $0, WRITTEN
        incl COUNTER
        call write_all
        movl COUNTER, %eax
        movw $count_text, %si
        call print_number
        movl ERRORS, %eax
        movw $error_text, %si
        call print_number
        movb $'\n', %al
        call print
        jmp tick

power_off:
        movw $PM_CONTROL, %dx
        movw $0x2000, %ax
        outw %ax, %dx
1:      hlt
        jmp 1b

# every disk: does LBA 1 hold what was last written there?
check_all:
        movb $0x80, %dl
1:      call fill
        movw $CHECK, %di
        call read_first
        movw $SECTOR, %si
        movw $CHECK, %di
        movw $128, %cx
        repe cmpsl
        je 2f
        incl ERRORS
2:      call next_disk
        jb 1b
        ret

# every disk: LBA 1 and the record
write_all:
        movb $0x80, %dl
1:      call fill
        movw $SECTOR, %di
        movl $1, %eax
        movb $0x43, %bh
        call transfer
        movl COUNTER, %eax
        andl $1023, %eax
        addl $16, %eax
        movb $0x43, %bh
        call transfer
        incl WRITTEN
        call next_disk
        jb 1b
        ret

# %dl: the next disk; carry while there is one
next_disk:
        incb %dl
        movb %dl, %al
        subb $0x80, %al
        cmpb DISKS, %al
        ret

# the sector for disk %dl at SECTOR
fill:
        movw $SECTOR, %di
        movl COUNTER, %eax
        movw $128, %cx
        rep stosl
        movl $MAGIC, SECTOR + 4
        movzbl %dl, %eax
        movl %eax, SECTOR + 8
        ret

# LBA 1 of disk %dl to %di
read_first:
        movl $1, %eax
        movb $0x42, %bh

# function %bh (0x42 read, 0x43 write), disk %dl, LBA %eax, memory %di
transfer:
        movl $0x10010, PACKET           # size of the packet, one sector
        movw %di, PACKET + 4
        movw $0, PACKET + 6
        movl %eax, PACKET + 8
        movl $0, PACKET + 12
        movw $PACKET, %si
        pushw %dx
        pushw %di
        movb %bh, %ah
        movb $0, %al
        int $0x13
        popw %di
        popw %dx
        jnc 1f
        incl ERRORS
1:      ret

# the text at %si, then %eax in hex
print_number:
        movl %eax, %ebx
1:      lodsb
        testb %al, %al
        jz 2f
        call print
        jmp 1b
2:      movw $8, %cx
3:      roll $4, %ebx
        movb %bl, %al
        andb $15, %al
        addb $'0', %al
        cmpb $'9', %al
        jbe 4f
        addb $7, %al
4:      call print
        loop 3b
        ret

# waits for room: a reader that is slow loses nothing
print:
        movb %al, %ah
        movw $0x3fd, %dx
1:      inb %dx, %al
        testb $0x20, %al
        jz 1b
        movb %ah, %al
        movw $0x3f8, %dx
        outb %al, %dx
        ret

boot_text:
        .asciz "boot="
count_text:
        .asciz "n="
error_text:
        .asciz " e="

        .org 510
        .word 0xaa55
