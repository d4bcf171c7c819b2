package qemu

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/respin-project/respin/internal/hint"
)

// Firmware is a UEFI in two flash chips, its code and its variables.
type Firmware struct {
	Code, Variables Flash
}

// Flash is a file with what a flash chip holds.
type Flash struct {
	Path   string `json:"filename"`
	Format string `json:"format"` // "raw" or "qcow2"
}

// firmwareFolders hold descriptions of the firmware that is installed, one a
// file; the first of a name counts. See docs/interop/firmware.json of QEMU.
var firmwareFolders = []string{"/etc/qemu/firmware", "/usr/share/qemu/firmware", "/usr/local/share/qemu/firmware"}

// firmwareFiles are tried where nothing is described.
var firmwareFiles = map[string][][2]string{
	"x86_64": {
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},         // Debian, Ubuntu
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},               // the same, older
		{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},     // Fedora
		{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"}, // Arch
		{"/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"},   // QEMU's own
	},
	"aarch64": {
		{"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
		{"/usr/share/edk2/aarch64/QEMU_EFI-silent-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"},
		{"/usr/share/edk2/aarch64/QEMU_CODE.fd", "/usr/share/edk2/aarch64/QEMU_VARS.fd"},
		{"/usr/share/qemu/edk2-aarch64-code.fd", "/usr/share/qemu/edk2-arm-vars.fd"},
	},
}

// UEFI returns the firmware for guests of the emulator, one without Secure Boot.
func (e Emulator) UEFI() (*Firmware, error) {
	if f := describedFirmware(firmwareFolders, e.Arch); f != nil {
		return f, nil
	}
	for _, pair := range firmwareFiles[e.Arch] {
		f := &Firmware{Code: Flash{pair[0], "raw"}, Variables: Flash{pair[1], "raw"}}
		if f.exists() {
			return f, nil
		}
	}
	packages := platforms[e.Arch].firmware
	return nil, hint.Wrap(fmt.Errorf("looking for UEFI firmware: there is none for %s", e.Arch),
		"install it: apt install %s on Debian and Ubuntu, dnf install %s on Fedora", packages[0], packages[1])
}

func (f *Firmware) exists() bool {
	for _, path := range []string{f.Code.Path, f.Variables.Path} {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

// description is the part of a firmware description that we go by.
type description struct {
	Interfaces []string `json:"interface-types"`
	Mapping    struct {
		Device     string `json:"device"`
		Mode       string `json:"mode"`
		Executable Flash  `json:"executable"`
		Template   Flash  `json:"nvram-template"`
	} `json:"mapping"`
	Targets []struct {
		Architecture string   `json:"architecture"`
		Machines     []string `json:"machines"`
	} `json:"targets"`
	Features []string `json:"features"`
}

// describedFirmware returns the first firmware that folders describe and that
// suits our machines, nil if there is none.
func describedFirmware(folders []string, arch string) *Firmware {
	files := map[string]string{}
	for _, folder := range folders {
		paths, _ := filepath.Glob(filepath.Join(folder, "*.json"))
		for _, path := range paths {
			if _, ok := files[filepath.Base(path)]; !ok {
				files[filepath.Base(path)] = path
			}
		}
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text, err := os.ReadFile(files[name])
		if err != nil {
			continue
		}
		var d description
		if json.Unmarshal(text, &d) != nil || !d.suits(arch) {
			continue
		}
		if f := (&Firmware{Code: d.Mapping.Executable, Variables: d.Mapping.Template}); f.exists() {
			return f
		}
	}
	return nil
}

func (d description) suits(arch string) bool {
	if !slices.Contains(d.Interfaces, "uefi") || d.Mapping.Device != "flash" || d.Mapping.Mode != "" && d.Mapping.Mode != "split" {
		return false
	}
	for _, feature := range []string{"requires-smm", "secure-boot", "enrolled-keys", "amd-sev-es", "amd-sev-snp", "intel-tdx"} {
		if slices.Contains(d.Features, feature) {
			return false
		}
	}
	for _, target := range d.Targets {
		if target.Architecture != arch {
			continue
		}
		for _, pattern := range target.Machines {
			// A versioned name of the machine stands for all of them.
			for _, name := range []string{"pc-q35-9.0", "virt-9.0"} {
				if ok, _ := filepath.Match(pattern, name); ok {
					return true
				}
			}
		}
	}
	return false
}
