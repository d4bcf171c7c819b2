package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// installing is what installing packages and running their scripts takes:
// owners, modes, file capabilities, device nodes (which nothing can open, for
// the tree is mounted nodev), changing roots and users.
var installing = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID,
	unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_SETFCAP, unix.CAP_MKNOD,
	unix.CAP_SYS_CHROOT, unix.CAP_NET_BIND_SERVICE, unix.CAP_AUDIT_WRITE, unix.CAP_LINUX_IMMUTABLE,
}

// labelling is what setting security attributes takes in addition.
var labelling = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE}

// dropCapabilities takes all others out of this thread's bounding set, so that
// the program, started by this thread as root, does not get them.
func dropCapabilities(labels bool) error {
	keep := map[uintptr]bool{}
	for _, c := range installing {
		keep[c] = true
	}
	for _, c := range labelling {
		keep[c] = labels
	}
	for c := uintptr(0); c <= 63; c++ {
		if keep[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL {
			break // beyond the last that this kernel knows
		} else if err != nil {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	return nil
}

// The system calls that wait for the disk, by the number that the filter sees.
var syncCalls = []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_SYNC_FILE_RANGE, unix.SYS_MSYNC}

// suppressSync makes the calls that wait for the disk succeed without doing
// anything: a tree that is not finished need not survive a power cut, and
// sync(2) would wait for everything else the host has to write.
// Calls of another architecture's table, such as 32-bit ones, pass through.
func suppressSync() error {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	n := uint8(len(syncCalls))
	// struct seccomp_data: nr at 0, arch at 4.
	filter := []unix.SockFilter{
		load(4),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jf: n + 1},
		load(0),
	}
	for i, call := range syncCalls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: n - uint8(i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO}, // errno 0: success
	)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("installing the system call filter: %w", err)
	}
	return nil
}
