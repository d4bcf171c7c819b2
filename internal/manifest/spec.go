package manifest

import (
	"fmt"
	"time"
)

// Spec is what an image's spec says beyond its kickstart, resolved for this
// release and architecture. Package spec reads it from image.yaml.
type Spec struct {
	Path     string           `json:"path"`           // the spec's folder, relative to the working folder
	Lock     string           `json:"lock,omitempty"` // where the image's lock is, or belongs, relative to the working folder
	UseCases []string         `json:"use_cases,omitempty"`
	Keys     []Key            `json:"keys,omitempty"`    // that the repositories' packages must be signed with
	Koji     *string          `json:"koji,omitempty"`    // URL of the packages of the build system that keeps what repositories drop; empty: none; nil: Fedora's, for what comes from Fedora
	Formats  []string         `json:"formats,omitempty"` // what img-convert makes when not told otherwise
	Budget   map[string]int64 `json:"budget,omitempty"`  // most bytes, by artifact format or "installed"
	Scripts  Scripts          `json:"scripts,omitzero"`
	Smoke    Smoke            `json:"smoke,omitzero"`
	Publish  map[string]any   `json:"publish,omitempty"` // by command: what ami-register, oci-push and mirror-sync are told
}

// Key is a package signing key.
type Key struct {
	URL          string   `json:"url"`                    // or a file's path
	Fingerprint  string   `json:"fingerprint"`            // lower-case hex; the key at URL must have it
	Repositories []string `json:"repositories,omitempty"` // whose packages it may sign; all if empty
}

// Scripts limits what the kickstart's scripts may do.
type Scripts struct {
	Network bool     `json:"network,omitempty"` // whether they reach the network
	Space   int64    `json:"space,omitempty"`   // most bytes they may add to the tree; 0 is the engine's default
	Timeout Duration `json:"timeout,omitempty"` // of each script; 0 is the engine's default
}

// Smoke says how the image is tested.
type Smoke struct {
	User     string      `json:"user,omitempty"`     // whom to log in as; the image's default user if empty
	Firmware []string    `json:"firmware,omitempty"` // "bios", "uefi"; both if empty
	Memory   int64       `json:"memory,omitempty"`   // bytes; 0 is the tester's default
	Tests    []SmokeTest `json:"tests,omitempty"`
	Skip     []string    `json:"skip,omitempty"`  // built-in checks, and causes, that do not apply to this image; docs/smoke.md lists them
	Allow    []string    `json:"allow,omitempty"` // regular expressions (RE2) of journal messages that are no fault of this image
}

// SmokeTest is a command that is run in the booted image.
type SmokeTest struct {
	Name     string   `json:"name"`
	Command  string   `json:"command"`            // for the user's shell
	Exit     int      `json:"exit,omitempty"`     // the exit code expected
	Stdout   string   `json:"stdout,omitempty"`   // a regular expression (RE2) that the standard output must match
	Timeout  Duration `json:"timeout,omitempty"`  // 0 is the tester's default
	Severity string   `json:"severity,omitempty"` // "error" (the default) or "warning"
}

// Duration is a time.Duration written as "90s" or "5m".
type Duration time.Duration

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 90s or 5m", text)
	}
	*d = Duration(v)
	return nil
}
