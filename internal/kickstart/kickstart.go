// Package kickstart reads and writes kickstart files, the text that describes
// an installation to Fedora's and RHEL's installer, Anaconda.
//
// It knows what each release's syntax allows (tables.txt), follows %include
// and %ksappend, and reports every error of a file with its place, not the
// first only. What it accepts is what pykickstart 3.74 accepts; docs/kickstart.md
// lists the differences that are meant.
//
// A Loader reads files, Restore reads the text of a manifest again. The
// result serves in two forms: the model for whoever builds the image, and the
// flattened text, with the origin of each line, for the manifest.
package kickstart

import (
	"path"
	"slices"
	"strings"
)

// A Kickstart is what one kickstart file says, with all that it includes.
type Kickstart struct {
	Path         string
	Syntax       Syntax
	Declared     bool       // whether the file's own #version= decided the syntax
	Commands     []*Command // in the order they are given; without those that have no effect any more
	Packages     *Packages  // nil if there is no %packages section; several are merged
	Scripts      []*Script  // in the order they are given; without those that hold nothing but white space
	Addons       []*Addon   // %addon and %anaconda sections
	Certificates []*Certificate
	Unresolved   []Include // %include lines whose file will only exist when the image is installed
	Sources      []Source  // the files that were read, in the order they were first read
	Warnings     []*Diagnostic

	lines []line
}

// A Command is one line of the command section.
type Command struct {
	Name    string   // as the tables spell it: "part" also where the file says "partition"
	Args    []string // what is not an option
	Options []Option // in the order given
	Place
	words      bool // its syntax knows no options
	first, end int  // its lines within the flattened text, half open
}

// An Option of a command. Its value is empty for a plain flag.
type Option struct {
	Name  string // as the tables spell it first, such as "--fstype" for "--type" of part
	Value string
	Place
	plain bool // written without a value
}

// Kind is when a script runs.
type Kind string

// The kinds of scripts, as their sections are called.
const (
	Pre        Kind = "pre"
	PreInstall Kind = "pre-install"
	Post       Kind = "post"
	OnError    Kind = "onerror"
	Traceback  Kind = "traceback"
)

// A Script is a section that holds a program.
type Script struct {
	Kind        Kind
	Interpreter string // "/bin/sh" where the file names none
	NoChroot    bool   // of a %post: runs outside the installed system, as the other kinds always do
	ErrorOnFail bool
	Log         string // where its output goes; empty if the file does not say
	Body        string // byte for byte as in the file
	Place              // of the section's header
}

// Packages is what the %packages sections select.
type Packages struct {
	Environment    string   // the last "@^" line
	Groups         []Group  // sorted by name
	Names          []string // of packages, or globs; sorted
	Excluded       []string // sorted
	ExcludedGroups []string // sorted; an environment that is not the selected one stands here as "^name"

	ExcludeDocs     bool
	ExcludeWeakdeps bool
	NoCore          bool
	Default         bool
	IgnoreMissing   bool
	IgnoreBroken    bool
	MultiLib        bool
	InstLangs       []string // nil: all languages; empty or "none": none
	Timeout         int      // of a download, in seconds; 0 if not given
	Retries         int      // of a download; 0 if not given

	Lines map[string]Place // of what is selected, by name: "bash", "@core", "@^server"
	Place                  // of the first section's header
}

// A Group of packages, as the repository's comps file defines it.
type Group struct {
	Name       string
	NoDefaults bool // its mandatory packages only
	Optional   bool // its optional packages too
}

// An Addon is a section for an add-on of the installer, %addon, or %anaconda.
type Addon struct {
	Section string   // "%addon" or "%anaconda"
	Args    []string // of the header
	Body    string
	Place
}

// A Certificate is to be added to the installed system.
type Certificate struct {
	FileName string // without a folder
	Dir      string
	Type     string // such as "anchor"
	Body     string // PEM
	Place
}

// An Include is an %include line that could not be followed.
type Include struct {
	File string
	Place
}

// A Source is a file that was read.
type Source struct {
	Path   string // or URL
	Digest string // "sha256:" and hex, of its bytes as read
}

// All returns the commands of a name, as the tables spell it.
func (k *Kickstart) All(name string) []*Command {
	var all []*Command
	for _, c := range k.Commands {
		if c.Name == name {
			all = append(all, c)
		}
	}
	return all
}

// Last returns what the commands of a name come to where each replaces what
// the one before said, or nil if there is none. As in the installer, values
// that a later command does not mention stay; flags do not.
func (k *Kickstart) Last(name string) *Command {
	all := k.All(name)
	if len(all) == 0 {
		return nil
	}
	merged := all[0]
	for _, c := range all[1:] {
		merged = k.Syntax.table().commands[name].merge(merged, c)
	}
	return merged
}

// Has reports whether an option is given.
func (c *Command) Has(name string) bool { return c.option(name) != nil }

// Value returns the value of an option, empty if it is not given.
func (c *Command) Value(name string) string {
	if o := c.option(name); o != nil {
		return o.Value
	}
	return ""
}

// Values returns the values of an option that may be given several times.
func (c *Command) Values(name string) []string {
	var values []string
	for _, o := range c.Options {
		if o.Name == name {
			values = append(values, o.Value)
		}
	}
	return values
}

// Int returns the value of an option that takes a whole number, 0 if it is not given.
func (c *Command) Int(name string) int {
	n, _ := parseInt(c.Value(name))
	return n
}

// Bool returns the value of an option that takes yes or no, and whether it is given.
func (c *Command) Bool(name string) (value, given bool) {
	value, ok := parseBool(c.Value(name))
	return value, ok && c.Has(name)
}

// List returns the elements of an option that takes a list separated by
// commas, of all its occurrences.
func (c *Command) List(name string) []string {
	var all []string
	for _, v := range c.Values(name) {
		all = append(all, splitList(v)...)
	}
	return all
}

func (c *Command) option(name string) *Option {
	for i, o := range slices.Backward(c.Options) {
		if o.Name == name {
			return &c.Options[i]
		}
	}
	return nil
}

// given reports whether an option says something: an empty value and a zero
// do not, as the installer sees it.
func (c *Command) given(name string, kind valueKind) bool {
	o := c.option(name)
	if o == nil {
		return false
	}
	switch kind {
	case bare, optional:
		return true
	case integer:
		n, ok := parseInt(o.Value)
		return n != 0 || !ok
	}
	return o.Value != ""
}

// arg is the i-th argument, empty if there are fewer.
func (c *Command) arg(i int) string {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return ""
}

// splitList takes a list apart at its commas; empty elements do not count.
func splitList(value string) []string {
	var list []string
	for v := range strings.SplitSeq(value, ",") {
		if v = strings.TrimSpace(v); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// cleanMountPoint spells a mount point in one way; "swap", "none" and
// identifiers such as "raid.01" stay as they are.
func cleanMountPoint(name string) string {
	if strings.HasPrefix(name, "/") {
		return path.Clean(name)
	}
	return name
}
