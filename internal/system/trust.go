package system

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
)

// repo writes the .repo file of a repository that the installed system is to know (--install).
func (s *System) repo(_ context.Context, c *kickstart.Command) error {
	if !c.Has("--install") {
		return nil
	}
	name := c.Value("--name")
	if strings.ContainsAny(name, "/\n[]") {
		return fmt.Errorf("%q is no name of a repository", name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]\nname=%s\nenabled=1\n", name, name)
	for _, o := range []struct{ option, key string }{
		{"--baseurl", "baseurl"}, {"--mirrorlist", "mirrorlist"}, {"--metalink", "metalink"}, {"--cost", "cost"},
	} {
		if value := c.Value(o.option); value != "" {
			fmt.Fprintf(&b, "%s=%s\n", o.key, value)
		}
	}
	for _, o := range []struct{ option, key string }{{"--includepkgs", "includepkgs"}, {"--excludepkgs", "excludepkgs"}} {
		if values := c.List(o.option); len(values) > 0 {
			fmt.Fprintf(&b, "%s=%s\n", o.key, strings.Join(values, ","))
		}
	}
	if c.Has("--noverifyssl") {
		b.WriteString("sslverify=0\n")
	}
	return s.write("etc/yum.repos.d/"+name+".repo", b.String(), 0o644)
}

// certificate writes a %certificate and, if it is an anchor of trust, makes the system trust it.
func (s *System) certificate(ctx context.Context, c *kickstart.Certificate) error {
	dir := c.Dir
	anchor := c.Type == "anchor"
	if dir == "" && anchor {
		dir = "/etc/pki/ca-trust/source/anchors"
	}
	file := filepath.Join(".", filepath.Join("/", dir, filepath.Base(c.FileName)))
	if err := s.write(file, c.Body, 0o644); err != nil {
		return err
	}
	if anchor && s.has("update-ca-trust") {
		return s.run(ctx, "update-ca-trust", "extract")
	}
	return nil
}
