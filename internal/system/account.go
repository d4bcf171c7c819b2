package system

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-crypt/x/crypt"
	"github.com/respin-project/respin/internal/kickstart"
)

// group makes a group with the tree's own groupadd.
func (s *System) group(ctx context.Context, c *kickstart.Command) error {
	args := []string{"groupadd"}
	if c.Has("--gid") {
		args = append(args, "--gid", c.Value("--gid"))
	}
	return s.run(ctx, append(args, c.Value("--name"))...)
}

// user makes an account with the tree's own useradd, and the groups it names.
func (s *System) user(ctx context.Context, c *kickstart.Command) error {
	name := c.Value("--name")
	args := []string{"useradd", "--create-home"}
	for _, o := range []struct{ option, flag string }{
		{"--uid", "--uid"}, {"--homedir", "--home-dir"}, {"--shell", "--shell"}, {"--gecos", "--comment"},
	} {
		if c.Has(o.option) {
			args = append(args, o.flag, c.Value(o.option))
		}
	}
	var groups []string
	for _, g := range c.List("--groups") { // NAME or NAME(GID)
		group, gid, numbered := strings.Cut(strings.TrimSuffix(g, ")"), "(")
		if err := s.ensureGroup(ctx, group, gid, numbered); err != nil {
			return err
		}
		groups = append(groups, group)
	}
	if len(groups) > 0 {
		args = append(args, "--groups", strings.Join(groups, ","))
	}
	if c.Has("--gid") {
		if err := s.ensureGroup(ctx, name, c.Value("--gid"), true); err != nil {
			return err
		}
		args = append(args, "--gid", c.Value("--gid"))
	}
	if err := s.run(ctx, append(args, name)...); err != nil {
		return err
	}
	return s.password(name, c.Value("--password"), c.Has("--iscrypted"), c.Has("--lock"))
}

func (s *System) ensureGroup(ctx context.Context, name, gid string, numbered bool) error {
	text, err := s.read("etc/group")
	if err != nil {
		return err
	}
	if _, ok := entry(text, name); ok {
		return nil
	}
	if numbered {
		return s.run(ctx, "groupadd", "--gid", gid, name)
	}
	return s.run(ctx, "groupadd", name)
}

// entry finds a name's line in a file like passwd(5) and returns its fields.
func entry(text, name string) ([]string, bool) {
	for line := range strings.SplitSeq(text, "\n") {
		if fields := strings.Split(line, ":"); fields[0] == name && len(fields) > 2 {
			return fields, true
		}
	}
	return nil, false
}

// rootpw sets root's password.
func (s *System) rootpw(_ context.Context, c *kickstart.Command) error {
	if c.Has("--allow-ssh") {
		if err := s.write("etc/ssh/sshd_config.d/01-permitrootlogin.conf", "PermitRootLogin yes\n", 0o600); err != nil {
			return err
		}
	}
	return s.password("root", first(c.Args), c.Has("--iscrypted"), c.Has("--lock"))
}

// password sets a password in shadow(5), unless it is empty, and locks the
// account if it is to be.
func (s *System) password(user, password string, encrypted, lock bool) error {
	if password != "" && !encrypted {
		password = s.hash(user, password)
	}
	text, err := s.read("etc/shadow")
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		fields := strings.Split(line, ":")
		if fields[0] != user || len(fields) != 9 {
			continue
		}
		if password != "" {
			fields[1], fields[2] = password, strconv.FormatInt(s.Date/(24*60*60), 10)
		}
		if lock && !strings.HasPrefix(fields[1], "!") {
			fields[1] = "!" + fields[1]
		}
		lines[i] = strings.Join(fields, ":")
		return s.rewrite("etc/shadow", strings.Join(lines, ""))
	}
	return fmt.Errorf("/etc/shadow has no user %q", user)
}

// hash is the password as shadow(5) has it: crypt(5)'s sha512crypt, whose salt
// is the same in every build.
func (s *System) hash(user, password string) string {
	salt := s.Salt("password of " + user)[:16]
	return "$6$" + salt + "$" + string(crypt.KeySHACrypt(sha512.New, []byte(password), []byte(salt), 5000))
}

// sshkey adds a public key to an account.
func (s *System) sshkey(_ context.Context, c *kickstart.Command) error {
	name, key := c.Value("--username"), strings.Join(c.Args, " ")
	text, err := s.read("etc/passwd")
	if err != nil {
		return err
	}
	fields, ok := entry(text, name)
	if !ok || len(fields) < 6 {
		return fmt.Errorf("there is no user %q", name)
	}
	uid, err1 := strconv.Atoi(fields[2])
	gid, err2 := strconv.Atoi(fields[3])
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("reading /etc/passwd: %w", err)
	}
	folder := filepath.Join(".", filepath.Join("/", fields[5]), ".ssh")
	file := filepath.Join(folder, "authorized_keys")
	known, err := s.read(file)
	if err != nil {
		return err
	}
	if err := s.write(file, known+key+"\n", 0o600); err != nil {
		return err
	}
	r, err := s.root()
	if err != nil {
		return err
	}
	defer r.Close()
	return errors.Join(r.Chmod(folder, os.FileMode(0o700)), r.Lchown(folder, uid, gid), r.Lchown(file, uid, gid))
}

// authselect runs the tree's own authselect.
func (s *System) authselect(ctx context.Context, c *kickstart.Command) error {
	return s.run(ctx, append([]string{"authselect"}, c.Args...)...)
}
