package repo

// Comps is what a repository says of groups and environments. Texts are the
// untranslated ones.
type Comps struct {
	Groups       []Group
	Environments []Environment
	Categories   []Category
	Langpacks    []Langpack
}

// A Group is a named set of packages.
type Group struct {
	ID          string
	Name        string
	Description string
	Default     bool // installed unless told otherwise
	UserVisible bool
	BiArchOnly  bool
	LangOnly    string
	Order       int // display_order
	Packages    []GroupPackage
}

// A GroupPackage is a package that a group asks for.
type GroupPackage struct {
	Name         string
	Type         PackageType
	Requires     string // of a conditional one: installed if this package is
	BaseArchOnly bool
}

// PackageType is how much a group wants a package.
type PackageType uint8

const (
	Mandatory PackageType = iota
	Default
	Optional
	Conditional
)

// An Environment is a named set of groups.
type Environment struct {
	ID          string
	Name        string
	Description string
	Order       int
	Groups      []string // ids that belong to it
	Options     []EnvironmentOption
}

// An EnvironmentOption is a group that may be added to an environment.
type EnvironmentOption struct {
	Group   string
	Default bool
}

// A Category is a heading that groups are shown under.
type Category struct {
	ID, Name, Description string
	Order                 int
	Groups                []string
}

// A Langpack says which package brings a package's translations.
type Langpack struct {
	Name    string // the package
	Install string // its language packs, with %s for the language
}

// Group returns the group with that id, nil if there is none.
func (c *Comps) Group(id string) *Group { return nil }

// Environment returns the environment with that id, nil if there is none.
func (c *Comps) Environment(id string) *Environment { return nil }
