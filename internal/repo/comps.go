package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Comps is what a repository says of groups and environments. Texts are the
// untranslated ones.
type Comps struct {
	Groups       []Group       `json:"groups,omitempty"`
	Environments []Environment `json:"environments,omitempty"`
	Categories   []Category    `json:"categories,omitempty"`
	Langpacks    []Langpack    `json:"langpacks,omitempty"`
}

// A Group is a named set of packages.
type Group struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
	Default     bool           `json:"default,omitempty"`     // installed unless told otherwise
	Visible     bool           `json:"visible,omitempty"`     // shown to users
	BiArchOnly  bool           `json:"biarch_only,omitempty"` // only where packages of two architectures are installed
	LangOnly    string         `json:"lang_only,omitempty"`   // only where that language is
	Order       int            `json:"order,omitempty"`       // display_order
	Packages    []GroupPackage `json:"packages"`
}

// A GroupPackage is a package that a group asks for.
type GroupPackage struct {
	Name         string      `json:"name"`
	Type         PackageType `json:"type,omitempty"`
	Requires     string      `json:"requires,omitempty"` // of a conditional one: it is installed if this package is
	BaseArchOnly bool        `json:"basearch_only,omitempty"`
}

// PackageType is how much a group wants a package.
type PackageType uint8

const (
	Mandatory PackageType = iota
	Default
	Optional
	Conditional
)

// String is the type as comps files have it.
func (t PackageType) String() string {
	return [...]string{"mandatory", "default", "optional", "conditional"}[t&3]
}

// MarshalText is String.
func (t PackageType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what String writes.
func (t *PackageType) UnmarshalText(text []byte) error {
	for known := Mandatory; known <= Conditional; known++ {
		if known.String() == string(text) {
			*t = known
			return nil
		}
	}
	return fmt.Errorf("%q is no type of a group's package", text)
}

// An Environment is a named set of groups.
type Environment struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Description string              `json:"description,omitempty"`
	Order       int                 `json:"order,omitempty"`
	Groups      []string            `json:"groups"` // ids of those that belong to it
	Options     []EnvironmentOption `json:"options,omitempty"`
}

// An EnvironmentOption is a group that may be added to an environment.
type EnvironmentOption struct {
	Group   string `json:"group"`
	Default bool   `json:"default,omitempty"`
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

// Only returns what c says of these environments and groups, and of the groups
// that belong to these environments.
func (c *Comps) Only(environments, groups []string) *Comps {
	wanted := slices.Clone(groups)
	only := &Comps{}
	for _, e := range c.Environments {
		if slices.Contains(environments, e.ID) {
			only.Environments = append(only.Environments, e)
			wanted = append(wanted, e.Groups...)
		}
	}
	for _, g := range c.Groups {
		if slices.Contains(wanted, g.ID) {
			only.Groups = append(only.Groups, g)
		}
	}
	return only
}

// Group returns the group with that id, nil if there is none.
func (c *Comps) Group(id string) *Group {
	for i := range c.Groups {
		if c.Groups[i].ID == id {
			return &c.Groups[i]
		}
	}
	return nil
}

// Environment returns the environment with that id, nil if there is none.
func (c *Comps) Environment(id string) *Environment {
	for i := range c.Environments {
		if c.Environments[i].ID == id {
			return &c.Environments[i]
		}
	}
	return nil
}

// parseComps reads a comps file: https://fedora-comps.readthedocs.io and libcomps define the format.
func parseComps(r io.Reader) (*Comps, error) {
	p := &compsParser{newParser(r)}
	c := &Comps{}
	err := p.document("comps", func() error {
		switch string(p.name) {
		case "group":
			return add(&c.Groups, p.group)
		case "environment":
			return add(&c.Environments, p.environment)
		case "category":
			return add(&c.Categories, p.category)
		case "langpacks":
			return p.children(func() error {
				c.Langpacks = append(c.Langpacks, Langpack{string(p.attr("name")), string(p.attr("install"))})
				return p.skip()
			})
		}
		return p.skip()
	})
	if err != nil {
		return nil, malformed("comps", p.line, err)
	}
	return c, nil
}

// add appends what read returns.
func add[T any](list *[]T, read func() (T, error)) error {
	v, err := read()
	*list = append(*list, v)
	return err
}

type compsParser struct{ *parser }

// common reads what groups, environments and categories have alike; done is false for other elements.
func (p *compsParser) common(id, name, description *string, order *int) (done bool, err error) {
	translated := p.attr("xml:lang") != nil || p.attr("lang") != nil
	switch string(p.name) {
	case "id":
		*id, err = p.value()
	case "name":
		err = p.untranslated(translated, name)
	case "description":
		err = p.untranslated(translated, description)
	case "display_order":
		var n int64
		if n, err = p.integer(); err == nil {
			*order = int(n)
		}
	default:
		return false, nil
	}
	return true, err
}

func (p *compsParser) untranslated(translated bool, to *string) (err error) {
	if translated {
		return p.skip()
	}
	*to, err = p.value()
	return err
}

// value reads the element that has begun as a string that is shared.
func (p *parser) value() (string, error) {
	b, err := p.content()
	return p.intern(bytes.TrimSpace(b)), err
}

func (p *compsParser) group() (Group, error) {
	g := Group{Visible: true}
	err := p.children(func() error {
		done, err := p.common(&g.ID, &g.Name, &g.Description, &g.Order)
		if done {
			return err
		}
		switch string(p.name) {
		case "default":
			return p.flag(&g.Default)
		case "uservisible":
			return p.flag(&g.Visible)
		case "biarchonly":
			return p.flag(&g.BiArchOnly)
		case "langonly":
			g.LangOnly, err = p.value()
			return err
		case "packagelist":
			return p.children(func() error {
				if string(p.name) != "packagereq" {
					return p.skip()
				}
				return add(&g.Packages, p.groupPackage)
			})
		}
		return p.skip()
	})
	return g, identified("group", g.ID, err)
}

func identified(what, id string, err error) error {
	if err == nil && id == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", what, id, err)
	}
	return nil
}

func (p *compsParser) flag(to *bool) error {
	b, err := p.content()
	*to = yes(b)
	return err
}

func (p *compsParser) groupPackage() (GroupPackage, error) {
	g := GroupPackage{Requires: p.intern(p.attr("requires")), BaseArchOnly: yes(p.attr("basearchonly"))}
	switch kind := p.attr("type"); string(kind) {
	case "", "mandatory":
	case "default":
		g.Type = Default
	case "optional":
		g.Type = Optional
	case "conditional":
		g.Type = Conditional
	default:
		return g, fmt.Errorf("a package of type %q", kind)
	}
	var err error
	g.Name, err = p.value()
	return g, err
}

func (p *compsParser) environment() (Environment, error) {
	e := Environment{}
	err := p.children(func() error {
		done, err := p.common(&e.ID, &e.Name, &e.Description, &e.Order)
		if done {
			return err
		}
		switch string(p.name) {
		case "grouplist":
			return p.groupIDs(&e.Groups)
		case "optionlist":
			return p.children(func() error {
				if string(p.name) != "groupid" {
					return p.skip()
				}
				o := EnvironmentOption{Default: yes(p.attr("default"))}
				o.Group, err = p.value()
				e.Options = append(e.Options, o)
				return err
			})
		}
		return p.skip()
	})
	return e, identified("environment", e.ID, err)
}

func (p *compsParser) category() (Category, error) {
	c := Category{}
	err := p.children(func() error {
		done, err := p.common(&c.ID, &c.Name, &c.Description, &c.Order)
		if done {
			return err
		}
		if string(p.name) == "grouplist" {
			return p.groupIDs(&c.Groups)
		}
		return p.skip()
	})
	return c, identified("category", c.ID, err)
}

func (p *compsParser) groupIDs(to *[]string) error {
	return p.children(func() error {
		if string(p.name) != "groupid" {
			return p.skip()
		}
		return add(to, p.value)
	})
}
