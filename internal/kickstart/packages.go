package kickstart

import (
	"slices"
	"strings"
)

// A selection is the content of the %packages sections while it is read.
type selection struct {
	*Packages
	names, excluded map[string]bool
}

// header applies the options of one section's header. Where there are
// several sections the last one's flags count, as in the installer.
func (s *selection) header(c *Command) {
	p := s.Packages
	p.ExcludeDocs = c.Has("--excludedocs")
	p.ExcludeWeakdeps = c.Has("--exclude-weakdeps")
	p.NoCore = c.Has("--nocore")
	p.IgnoreMissing = c.Has("--ignoremissing")
	p.IgnoreBroken = c.Has("--ignorebroken")
	p.MultiLib = c.Has("--multilib")
	p.Timeout, p.Retries = c.Int("--timeout"), c.Int("--retries")
	p.Default = p.Default || c.Has("--default")
	if c.Has("--inst-langs") {
		p.InstLangs = splitLanguages(c.Value("--inst-langs"))
	}
}

// splitLanguages takes a list of locales apart; RPM separates them by colons.
func splitLanguages(value string) []string {
	languages := splitList(strings.ReplaceAll(value, ":", ","))
	if languages == nil {
		languages = []string{}
	}
	return languages
}

// add reads one line of a section.
func (s *selection) add(f *findings, text string, at Place) {
	text, _, _ = strings.Cut(text, "#")
	entry := strings.TrimSpace(text)
	if entry == "" {
		return
	}
	name, excluded := strings.CutPrefix(entry, "-")
	if name = strings.TrimSpace(name); strings.HasPrefix(name, "@") {
		name = "@" + strings.TrimSpace(name[1:])
	}
	environment, isEnvironment := strings.CutPrefix(name, "@^")
	switch environment = strings.TrimSpace(environment); {
	case name == "" || name == "@" || isEnvironment && environment == "":
		f.fail(at, "%q names no package and no group", entry)
	case isEnvironment && !excluded:
		s.Environment = environment
		s.Lines["@^"+environment] = at
	case isEnvironment && environment == s.Environment:
		s.Environment = ""
	case isEnvironment:
		s.excludeGroup("^" + environment)
	case name[0] == '@' && excluded:
		s.excludeGroup(name[1:])
	case name[0] == '@':
		s.group(f, name[1:], at)
	case excluded:
		s.excluded[name] = true
		delete(s.names, name)
	default:
		if strings.ContainsAny(name, " \t") {
			f.warn(at, "%q is taken for one package: write one on each line", name)
		}
		s.names[name] = true
		s.Lines[name] = at
		delete(s.excluded, name)
	}
}

// group reads "NAME [--nodefaults|--optional]"; a name may hold spaces.
func (s *selection) group(f *findings, text string, at Place) {
	var g Group
	var name []string
	for _, field := range strings.Fields(text) {
		switch field {
		case "--nodefaults":
			g.NoDefaults = true
		case "--optional":
			g.Optional = true
		default:
			if strings.HasPrefix(field, "--") {
				f.fail(at, "unknown option %s of a group%s", field, meant(field, []string{"--nodefaults", "--optional"}))
			}
			name = append(name, field)
		}
	}
	if g.NoDefaults && g.Optional {
		f.fail(at, "options --nodefaults and --optional do not go together")
	}
	if g.Name = strings.Join(name, " "); g.Name == "" || g.Name[0] == '^' {
		f.fail(at, "%q names no group", "@"+text)
	}
	if !slices.ContainsFunc(s.Groups, func(other Group) bool { return other.Name == g.Name }) {
		s.Groups = append(s.Groups, g)
		s.Lines["@"+g.Name] = at
	}
}

// excludeGroup takes back a group that was selected, and keeps it out of what
// globs select.
func (s *selection) excludeGroup(name string) {
	s.Groups = slices.DeleteFunc(s.Groups, func(g Group) bool { return g.Name == name })
	if !slices.Contains(s.ExcludedGroups, name) {
		s.ExcludedGroups = append(s.ExcludedGroups, name)
	}
}

// packages returns the finished selection.
func (s *selection) packages() *Packages {
	s.Names, s.Excluded = sortedKeys(s.names), sortedKeys(s.excluded)
	slices.SortFunc(s.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(s.ExcludedGroups)
	if len(s.Groups) == 0 {
		s.Groups = nil
	}
	return s.Packages
}

func sortedKeys(set map[string]bool) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
