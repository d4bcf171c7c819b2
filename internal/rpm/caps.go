package rpm

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// capabilityNames are those of capabilities(7), by number.
var capabilityNames = []string{
	"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid",
	"cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin",
	"cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace",
	"cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource", "cap_sys_time",
	"cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control", "cap_setfcap",
	"cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm", "cap_block_suspend", "cap_audit_read",
	"cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
}

// capabilities turns the text of cap_from_text(3) into the value of the
// attribute security.capability, revision 2 of linux/capability.h.
func capabilities(text string) ([]byte, error) {
	var sets [3]uint64 // by the place of their letter in "eip"
	for clause := range strings.FieldsSeq(text) {
		i := strings.IndexAny(clause, "=+-")
		if i < 0 {
			return nil, fmt.Errorf("%q is no capability", clause)
		}
		caps, err := capabilitySet(clause[:i])
		if err != nil {
			return nil, err
		}
		for rest := clause[i:]; rest != ""; {
			operator := rest[0]
			end := strings.IndexAny(rest[1:], "=+-") + 1
			if end == 0 {
				end = len(rest)
			}
			if err := apply(&sets, operator, rest[1:end], caps); err != nil {
				return nil, fmt.Errorf("%q: %w", clause, err)
			}
			rest = rest[end:]
		}
	}
	effective, inheritable, permitted := sets[0], sets[1], sets[2]
	// A file has one effective bit for all its capabilities.
	if effective != 0 && effective != permitted|inheritable {
		return nil, fmt.Errorf("%q: a file's capabilities are effective together or not at all", text)
	}
	const revision2, effectiveFlag = 0x02000000, 1
	magic := uint32(revision2)
	if effective != 0 {
		magic |= effectiveFlag
	}
	value := binary.LittleEndian.AppendUint32(nil, magic)
	for shift := 0; shift <= 32; shift += 32 {
		value = binary.LittleEndian.AppendUint32(value, uint32(permitted>>shift))
		value = binary.LittleEndian.AppendUint32(value, uint32(inheritable>>shift))
	}
	return value, nil
}

// capabilitySet reads names separated by commas; none and "all" mean all.
func capabilitySet(names string) (uint64, error) {
	if names == "" || names == "all" {
		return 1<<len(capabilityNames) - 1, nil
	}
	var set uint64
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(capabilityNames, strings.ToLower(name))
		if i < 0 {
			return 0, fmt.Errorf("%q is no capability", name)
		}
		set |= 1 << i
	}
	return set, nil
}

// apply changes the sets that letters name: "=" clears the capabilities
// everywhere first, "+" adds them and "-" takes them away.
func apply(sets *[3]uint64, operator byte, letters string, caps uint64) error {
	if operator == '=' {
		for i := range sets {
			sets[i] &^= caps
		}
	}
	for _, c := range letters {
		i := strings.IndexRune("eip", c)
		switch {
		case i < 0:
			return fmt.Errorf("%q is no set of capabilities", c)
		case operator == '-':
			sets[i] &^= caps
		default:
			sets[i] |= caps
		}
	}
	return nil
}
