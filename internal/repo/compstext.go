package repo

import (
	"bytes"
	"fmt"
)

// Text returns a comps file of the groups and environments.
func (c *Comps) Text() []byte {
	var b bytes.Buffer
	b.WriteString(xmlHeader + "<comps>\n")
	for _, g := range c.Groups {
		writeGroup(&b, g)
	}
	for _, e := range c.Environments {
		writeEnvironment(&b, e)
	}
	b.WriteString("</comps>\n")
	return b.Bytes()
}

func writeGroup(b *bytes.Buffer, g Group) {
	b.WriteString("<group>\n")
	element(b, "id", g.ID)
	element(b, "name", g.Name)
	element(b, "description", g.Description)
	element(b, "default", fmt.Sprint(g.Default))
	element(b, "uservisible", fmt.Sprint(g.Visible))
	if g.BiArchOnly {
		element(b, "biarchonly", "true")
	}
	if g.LangOnly != "" {
		element(b, "langonly", g.LangOnly)
	}
	if g.Order != 0 {
		element(b, "display_order", fmt.Sprint(g.Order))
	}
	b.WriteString("  <packagelist>\n")
	for _, p := range g.Packages {
		fmt.Fprintf(b, "    <packagereq type=\"%s\"", p.Type)
		if p.Requires != "" {
			fmt.Fprintf(b, " requires=\"%s\"", escape(p.Requires))
		}
		if p.BaseArchOnly {
			b.WriteString(" basearchonly=\"true\"")
		}
		fmt.Fprintf(b, ">%s</packagereq>\n", escape(p.Name))
	}
	b.WriteString("  </packagelist>\n</group>\n")
}

func writeEnvironment(b *bytes.Buffer, e Environment) {
	b.WriteString("<environment>\n")
	element(b, "id", e.ID)
	element(b, "name", e.Name)
	element(b, "description", e.Description)
	if e.Order != 0 {
		element(b, "display_order", fmt.Sprint(e.Order))
	}
	b.WriteString("  <grouplist>\n")
	for _, g := range e.Groups {
		fmt.Fprintf(b, "    <groupid>%s</groupid>\n", escape(g))
	}
	b.WriteString("  </grouplist>\n  <optionlist>\n")
	for _, o := range e.Options {
		fmt.Fprintf(b, "    <groupid default=\"%v\">%s</groupid>\n", o.Default, escape(o.Group))
	}
	b.WriteString("  </optionlist>\n</environment>\n")
}
