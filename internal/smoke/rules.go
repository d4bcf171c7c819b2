package smoke

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A rule recognises a message after which a boot cannot be called good.
type rule struct {
	code    string
	pattern *regexp.Regexp
	text    string // the fault's sentence, in which $1 is the first group of pattern
}

// match returns the fault that a message stands for, nil if it stands for
// none. Of several rules the first counts.
func match(rules []rule, message string) *Fault {
	for _, r := range rules {
		m := r.pattern.FindStringSubmatchIndex(message)
		if m == nil {
			continue
		}
		f := &Fault{Code: r.code, Text: string(r.pattern.ExpandString(nil, r.text, message, m))}
		if r.code == "cpu-level" {
			f.level, _ = strconv.Atoi(message[m[2]:m[3]])
		}
		if r.code == "init-died" {
			f.Text = fmt.Sprintf(r.text, exitText(message[m[2]:m[3]]))
		}
		return f
	}
	return nil
}

// exitText says what a wait status, hexadecimal digits as the kernel prints it, means.
func exitText(digits string) string {
	status, err := strconv.ParseUint(digits, 16, 32)
	switch {
	case err != nil:
		return "status " + digits
	case status&0x7f != 0:
		return fmt.Sprintf("signal %d", status&0x7f)
	}
	return fmt.Sprintf("exit status %d", status>>8&0xff)
}

// rules makes a table of triples: code, pattern, sentence.
func rules(table ...string) []rule {
	var all []rule
	for len(table) > 0 {
		all = append(all, rule{table[0], regexp.MustCompile(table[1]), table[2]})
		table = table[3:]
	}
	return all
}

// kernelRules are for the kernel's messages, without their time.
var kernelRules = rules(
	"no-init", `^Kernel panic - not syncing: (No working init found|No init found|Requested init \S+ failed \(error -?\d+\))`,
	"the kernel found no init: $1",
	"root-not-found", `^Kernel panic - not syncing: VFS: Unable to mount root fs on (\S+)`,
	"the kernel cannot mount the root file system ($1)",
	"init-died", `^Kernel panic - not syncing: Attempted to kill init! exitcode=0x([0-9a-f]+)`,
	"init ended with %s",
	"out-of-memory", `^Kernel panic - not syncing: (?:Out of memory|System is deadlocked on memory)`,
	"the guest has too little memory to boot",
	"kernel-panic", `^Kernel panic - not syncing: (.+)`,
	"kernel panic: $1",
	"kernel-oops", `^(BUG: (?:unable to handle|kernel NULL pointer|Bad page|scheduling while atomic|KASAN|sleeping function).*|Oops: .*|Unable to handle kernel .*|kernel BUG at .*|(?:[\w -]+): [0-9a-f]{4} \[#\d+\].*|Internal error: .*\[#\d+\].*)`,
	"kernel oops: $1",
	"soft-lockup", `^watchdog: BUG: soft lockup - (.*)`,
	"a processor is stuck in the kernel: $1",
	"hung-task", `^INFO: task (\S+?)(?::\d+)? blocked for more than (\d+) seconds`,
	"process $1 is stuck in the kernel for more than $2 seconds",
	"out-of-memory", `^(?:Memory cgroup o|O)ut of memory: Kill(?:ed)? process \d+ \(([^)]*)\)`,
	"out of memory: the kernel killed $1",
	"disk-error", `^(EXT4-fs error .*|XFS \(\S+\): (?:Metadata )?[Cc]orruption .*|XFS \(\S+\): Internal error .*|BTRFS (?:critical|error) .*|EXT4-fs \(\S+\): bad geometry.*|(?:blk_update_request: |Buffer )?I/O error,? (?:on )?dev vda.*)`,
	"a file system is damaged: $1",
)

// systemdRules are for the messages of PID 1, in the journal or on the console.
var systemdRules = rules(
	"ordering-cycle", `Ordering cycle found, skipping (\S+)`,
	"systemd left out $1 to break an ordering cycle",
	"ordering-cycle", `\bJob (\S+?)/\w+ deleted to break ordering cycle`,
	"systemd left out $1 to break an ordering cycle",
	"systemd-frozen", `^(?:systemd\[1\]: )?Freezing execution|^\[!!!!!!\] (.*)`,
	"systemd gave up",
	"selinux-policy", `(?:Unable to load|Failed to load) SELinux [Pp]olicy`,
	"the SELinux policy could not be loaded",
)

// bootRules are for what comes before the kernel and in the initrd.
var bootRules = rules(
	"boot-loader", `^No bootable device`,
	"the firmware found no boot loader on the disk",
	"boot-loader", `^(?:UEFI Interactive Shell|>>Start (?:PXE|HTTP) |BdsDxe: No bootable option or device was found)`,
	"the firmware found no boot loader on the disk",
	"boot-loader", `^(?:Missing operating system|Operating system not found|Error loading operating system|GRUB (?:Geom|Read|Hard Disk) Error)`,
	"the boot sector found no boot loader",
	"boot-loader", `^(?:Entering rescue mode|error: you need to load the kernel first)`,
	"GRUB could not load the system",
	"boot-loader", `^(?:start_image\(\) returned|Failed to load image|Failed to open \\EFI\\)(.*)`,
	"the first boot loader could not start the second: $0",
	"cpu-level", `CPU (?:does not support|ISA level is lower than required).*?x86-64-v(\d)`,
	"the image needs a processor of the level x86-64-v$1",
	"cpu-level", `^Fatal glibc error: CPU does not support x86-64-v(\d)`,
	"the image needs a processor of the level x86-64-v$1",
	"no-init", `(?:switch_root|run-init|switch-root).*?(?:can't execute|failed to execute|current directory is not|cannot open) ?'?(\S*?)'?(?:: (.*))?$`,
	"the initrd cannot run $1 of the root file system",
	"no-init", `Target filesystem doesn't have requested (\S+?)\.?$`,
	"the root file system has no $1",
	"no-init", `(?:Specified switch root path|Not switching root:) .*?(does not seem to be an OS tree.*|)$`,
	"the root file system holds no system: it $1",
	"root-not-found", `^ALERT! +(.*?) does not exist`,
	"the root file system $1 is not there",
	"root-not-found", `^Failed to mount (\S+) as root file system`,
	"the initrd cannot mount $1 as root file system",
	"root-not-found", `^(?:dracut-initqueue\[\d+\]: |dracut: )?Warning: (/dev/\S+) does not exist`,
	"the root file system $1 is not there",
	"root-not-found", `^(?:ERROR|:: ERROR): device '(.*?)' not found`,
	"the root file system $1 is not there",
	"emergency", `You are in (?:emergency|rescue) mode|Entering (?:emergency|rescue) mode|Cannot open access to console, the root account is locked|Give root password for maintenance|Press Enter for (?:maintenance|emergency shell)`,
	"the boot ended in an emergency shell",
	"disk-full", `(.*[Nn]o space left on device.*)`,
	"a file system is full: $1",
)

var consoleRules = append(append(append([]rule(nil), bootRules...), kernelRules...), systemdRules...)

// prompts are lines without an end: somebody is to type something.
var prompts = []struct {
	pattern     *regexp.Regexp
	code, fault string // empty if it is no fault
}{
	{regexp.MustCompile(`^grub(?: rescue)?> ?$`), "boot-loader", "GRUB stopped at its prompt"},
	{regexp.MustCompile(`^Shell> ?$`), "boot-loader", "the firmware found no boot loader on the disk"},
	{regexp.MustCompile(`^(?:\(initramfs\)|dracut:/[^ ]*#|switch_root:/[^ ]*#) ?$`), "emergency", "the boot ended in the shell of the initrd"},
	{regexp.MustCompile(`^\S+ login: ?$`), "", ""},
}

// prompt looks at a line that has not ended. It is asked for every byte that a guest writes.
func (c *console) prompt(text string) {
	text = strings.TrimSpace(text)
	if text == "" || !strings.ContainsRune(">#:)", rune(text[len(text)-1])) {
		return
	}
	for _, p := range prompts {
		if !p.pattern.MatchString(text) {
			continue
		}
		if p.code != "" {
			c.fault(&Fault{Code: p.code, Text: p.fault})
			return
		}
		if c.facts.Prompt.IsZero() {
			c.facts.Prompt = c.now()
			c.stage("login prompt")
		}
	}
}
