package ami

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
)

// Settings say how images are registered. A spec has them under publish:
// ami-register, and the command's flags overrule it. Name, Description, Family
// and Parameter are templates of Go over manifest.Image.
type Settings struct {
	Regions       []string          `json:"regions,omitempty"` // the first gets the disk, the others copies
	Name          string            `json:"name,omitempty"`
	Description   string            `json:"description,omitempty"`
	Family        string            `json:"family,omitempty"`    // what images are retired among
	BootMode      string            `json:"boot_mode,omitempty"` // "uefi-preferred", "uefi", "legacy-bios"
	RootDevice    string            `json:"root_device,omitempty"`
	VolumeSize    int32             `json:"volume_size,omitempty"` // GiB; 0 is the disk's, rounded up
	TPM           bool              `json:"tpm,omitempty"`
	Public        bool              `json:"public,omitempty"`
	Accounts      []string          `json:"accounts,omitempty"`      // that may launch it, twelve digits
	Organizations []string          `json:"organizations,omitempty"` // ARNs of organisations and their units
	Tags          map[string]string `json:"tags,omitempty"`
	Deprecate     string            `json:"deprecate,omitempty"` // a date, or days after it was made as "180d"
	Parameter     string            `json:"parameter,omitempty"` // name of the SSM parameter that gets its id
}

// Defaults of what nobody says.
const (
	DefaultName       = "{{.ID}}"
	DefaultFamily     = "{{.Name}}-{{.Version}}.{{.Arch}}"
	DefaultRootDevice = "/dev/sda1"
)

// Of returns the settings that an image's spec has, empty ones if it has none.
func Of(m *manifest.Manifest) (Settings, error) {
	var s Settings
	if m.Spec == nil || m.Spec.Publish["ami-register"] == nil {
		return s, nil
	}
	text, err := json.Marshal(m.Spec.Publish["ami-register"])
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		err = dec.Decode(&s)
	}
	if err != nil {
		return s, hint.Wrap(fmt.Errorf("the spec's publish: ami-register: %w", err), "ami-register -h lists what can stand there")
	}
	return s, nil
}

// An image is one to be registered, as the settings make it of a manifest.
type image struct {
	name, description, family string
	arch                      ec2types.ArchitectureValues
	boot                      ec2types.BootModeValues
	root                      string
	gib                       int32 // of the root volume
	tpm                       bool
	parameter                 string
	tags                      map[string]string // without those that are ours
	deprecate                 func(created time.Time) time.Time
	disk                      string // SHA-256, hexadecimal
}

var architectures = map[string]ec2types.ArchitectureValues{
	"x86_64": ec2types.ArchitectureValuesX8664, "aarch64": ec2types.ArchitectureValuesArm64,
}

// amiName is what EC2 takes as a name.
var amiName = regexp.MustCompile(`^[A-Za-z0-9()\[\] ./\-'@_]{3,128}$`)

// resolve makes the image of a manifest whose disk has size bytes.
func (s *Settings) resolve(m manifest.Image, size int64) (*image, error) {
	i := &image{root: s.RootDevice, tpm: s.TPM, tags: s.Tags, gib: s.VolumeSize}
	for _, text := range []struct {
		to                 *string
		what, of, fallback string
	}{
		{&i.name, "name", s.Name, DefaultName},
		{&i.description, "description", s.Description, "{{.Summary}}"},
		{&i.family, "family", s.Family, DefaultFamily},
		{&i.parameter, "SSM parameter", s.Parameter, ""},
	} {
		if text.of == "" {
			text.of = text.fallback
		}
		var err error
		if *text.to, err = expand(text.of, m); err != nil {
			return nil, fmt.Errorf("making the %s: %w", text.what, err)
		}
	}
	if !amiName.MatchString(i.name) {
		return nil, hint.Wrap(fmt.Errorf("EC2 does not take %q as a name: it has 3 to 128 letters, digits and ( ) [ ] . / - ' @ _", i.name), "--name makes another, such as --name '{{.Name}}-{{.Version}}'")
	}
	for len(i.description) > 255 { // more than EC2 takes
		_, last := utf8.DecodeLastRuneInString(i.description)
		i.description = i.description[:len(i.description)-last]
	}
	if i.root == "" {
		i.root = DefaultRootDevice
	}
	if gib := int32((size + 1<<30 - 1) >> 30); i.gib == 0 {
		i.gib = gib
	} else if i.gib < gib {
		return nil, fmt.Errorf("a root volume of %d GiB is too small for the disk, which needs %d GiB", i.gib, gib)
	}
	if err := s.machine(i, m.Arch); err != nil {
		return nil, err
	}
	var err error
	i.deprecate, err = ParseDeprecation(s.Deprecate)
	return i, err
}

// machine resolves the architecture and how it boots.
func (s *Settings) machine(i *image, arch string) error {
	var ok bool
	if i.arch, ok = architectures[arch]; !ok {
		return fmt.Errorf("EC2 has no machines of architecture %q", arch)
	}
	i.boot = ec2types.BootModeValues(s.BootMode)
	switch {
	case i.boot == "" && (i.arch == ec2types.ArchitectureValuesArm64 || s.TPM):
		i.boot = ec2types.BootModeValuesUefi
	case i.boot == "":
		i.boot = ec2types.BootModeValuesUefiPreferred
	case i.arch == ec2types.ArchitectureValuesArm64 && i.boot != ec2types.BootModeValuesUefi:
		return fmt.Errorf("machines of architecture %q boot with UEFI only, not with boot mode %q", arch, i.boot)
	case s.TPM && i.boot != ec2types.BootModeValuesUefi:
		return fmt.Errorf("a TPM needs boot mode \"uefi\", not %q", i.boot)
	}
	return nil
}

// expand is a template over an image's members.
func expand(text string, m manifest.Image) (string, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, m)
	return b.String(), err
}

// Check finds what is wrong with the settings whatever the image.
func (s *Settings) Check() error {
	modes := ec2types.BootModeValues("").Values()
	if s.BootMode != "" && !slices.Contains(modes, ec2types.BootModeValues(s.BootMode)) {
		return fmt.Errorf("boot mode %q is none of legacy-bios, uefi and uefi-preferred", s.BootMode)
	}
	for _, number := range s.Accounts {
		if _, err := strconv.ParseUint(number, 10, 64); err != nil || len(number) != 12 {
			return fmt.Errorf("account %q does not have twelve digits", number)
		}
	}
	for _, arn := range s.Organizations {
		if !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":organizations:") {
			return fmt.Errorf("organization %q is no ARN like arn:aws:organizations::123456789012:organization/o-abcdefghij", arn)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		if strings.HasPrefix(key, "aws:") || strings.HasPrefix(key, "respin:") || key == "" {
			return fmt.Errorf("tag %q is not yours to set", key)
		}
	}
	for _, text := range []string{s.Name, s.Description, s.Family, s.Parameter} {
		if _, err := expand(text, manifest.Image{}); err != nil {
			return err
		}
	}
	_, err := ParseDeprecation(s.Deprecate)
	return err
}

// ParseDeprecation reads a date like 2027-06-30 or an age like 180d. The
// function tells when an image is deprecated that was made at created; it is nil for "".
func ParseDeprecation(text string) (func(created time.Time) time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return func(time.Time) time.Time { return date }, nil
	}
	age, err := ParseAge(text)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a date like 2027-06-30 nor a number of days like 180d", text)
	}
	return func(created time.Time) time.Time { return created.Add(age).Truncate(time.Minute) }, nil
}

// ParseAge reads a number of days like 90d.
func ParseAge(text string) (time.Duration, error) {
	days, found := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(days, 10, 16)
	if !found || err != nil {
		return 0, fmt.Errorf("%q is no number of days like 90d", text)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}
