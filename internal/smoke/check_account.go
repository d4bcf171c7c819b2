package smoke

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var accountChecks = []check{
	{"accounts", "error", []string{"root"}, accounts},
	{"sshd", "error", []string{"root", "sshd"}, sshd},
	{"sudo", "error", []string{"sudo", "user"}, sudo},
}

func accounts(ctx context.Context, g *guest) (string, error) {
	users, err := g.ask(ctx, "cat /etc/passwd")
	if err != nil {
		return "", err
	}
	shadow, err := g.asRoot(ctx, "cat /etc/shadow")
	if err != nil {
		return "", err
	}
	return judgeAccounts(users, shadow, g.image.Kickstart)
}

// judgeAccounts looks through passwd and shadow, see passwd(5) and shadow(5). No account may
// be open to anybody: not by an empty password, not by one that everybody
// knows, and root's not by any, unless the kickstart gives it one.
func judgeAccounts(passwd, shadow, kickstart string) (string, error) {
	for line := range strings.Lines(passwd) {
		f := strings.Split(line, ":")
		if len(f) < 3 {
			continue
		}
		if f[2] == "0" && f[0] != "root" {
			return "", fmt.Errorf("account %q has root's user id", brief(f[0]))
		}
		if f[1] == "" {
			return "", fmt.Errorf("account %q has an empty password", brief(f[0]))
		}
	}
	secrets := newDictionary(kickstart)
	var unlocked []string
	for line := range strings.Lines(shadow) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 2 {
			continue
		}
		name, hash := brief(f[0]), f[1]
		switch {
		case hash == "":
			return "", fmt.Errorf("account %q has an empty password", name)
		case strings.HasPrefix(hash, "!"), strings.HasPrefix(hash, "*"):
			continue
		case secrets.holds(name, hash):
			return "", fmt.Errorf("account %q has a password that everybody knows", name)
		case name == "root" && !rootMayHavePassword(kickstart):
			return "", errors.New("root has a password: the account should be locked")
		}
		unlocked = append(unlocked, name)
	}
	if len(unlocked) == 0 {
		return "all locked", nil
	}
	return "with a password: " + list(unlocked), nil
}

// rootCommand is the kickstart's command about root's password.
var rootCommand = regexp.MustCompile(`(?m)^\s*rootpw\s(.*)$`)

func rootMayHavePassword(kickstart string) bool {
	commands := rootCommand.FindAllStringSubmatch(kickstart, -1)
	return len(commands) > 0 && !strings.Contains(commands[len(commands)-1][1], "--lock")
}

func sshd(ctx context.Context, g *guest) (string, error) {
	text, err := g.asRoot(ctx, "PATH=$PATH:/usr/sbin:/sbin; sshd -T -C user=root,host=guest,addr=10.0.2.2,laddr=10.0.2.15,lport=22")
	if err != nil {
		return "", err
	}
	return judgeSSHD(text)
}

// judgeSSHD reads the server's settings as it prints them, see sshd_config(5).
func judgeSSHD(text string) (string, error) {
	settings := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		settings[strings.ToLower(name)] = value
	}
	root := settings["permitrootlogin"]
	byPassword := settings["passwordauthentication"] == "yes" || settings["kbdinteractiveauthentication"] == "yes"
	switch {
	case root == "":
		return "", errors.New("sshd does not say whom it lets in")
	case settings["permitemptypasswords"] == "yes":
		return "", errors.New("sshd lets accounts with an empty password in (PermitEmptyPasswords yes)")
	case root == "yes" && byPassword:
		return "", errors.New("sshd lets root in with a password (PermitRootLogin yes)")
	}
	message := "root: " + root
	if byPassword {
		message += "; others also by password"
	}
	return brief(message), nil
}

func sudo(ctx context.Context, g *guest) (string, error) {
	if _, err := g.ask(ctx, "sudo -n true"); err != nil {
		return "", fmt.Errorf("%s cannot become root with sudo: %w", g.shell.user, err)
	}
	return g.shell.user + " becomes root without a password", nil
}
