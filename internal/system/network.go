package system

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/respin-project/respin/internal/kickstart"
	"github.com/respin-project/respin/internal/report"
)

func place(c *kickstart.Command) report.Place {
	return report.Place{File: c.File, Line: c.Line, Column: c.Column}
}

// network sets the host name, and configures a device that the command names
// or gives an address. A device that any machine may have, with DHCP, needs no
// configuration: that is what an image does by itself.
func (s *System) network(_ context.Context, c *kickstart.Command) error {
	if name := c.Value("--hostname"); name != "" {
		if err := s.write("etc/hostname", name+"\n", 0o644); err != nil {
			return err
		}
	}
	device := c.Value("--device")
	static := c.Value("--bootproto") == "static" || c.Has("--ip")
	if any := device == "" || device == "link" || device == "bootif"; any && !static {
		return nil
	} else if any {
		return errors.New("a fixed address needs the name of its device: --device=eth0")
	}
	connection, err := keyfile(c, device)
	if err != nil {
		return err
	}
	if !s.exists("usr/lib/systemd/system/NetworkManager.service") {
		return errors.New("configuring a device needs NetworkManager, which the image has not")
	}
	return s.write("etc/NetworkManager/system-connections/"+device+".nmconnection", connection, 0o600)
}

// keyfile is a connection in NetworkManager's format, nm-settings-keyfile(5).
func keyfile(c *kickstart.Command, device string) (string, error) {
	if strings.ContainsAny(device, "/\n") {
		return "", fmt.Errorf("%q is no name of a device", device)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[connection]\nid=%s\ntype=ethernet\ninterface-name=%s\n", device, device)
	if on, given := c.Bool("--onboot"); given && !on {
		b.WriteString("autoconnect=false\n")
	}
	if mtu := c.Value("--mtu"); mtu != "" {
		fmt.Fprintf(&b, "\n[ethernet]\nmtu=%s\n", mtu)
	}
	servers := c.Value("--nameserver")
	b.WriteString("\n[ipv4]\n")
	switch {
	case c.Has("--noipv4"):
		b.WriteString("method=disabled\n")
	case c.Has("--ip"):
		address, err := prefixed(c.Value("--ip"), c.Value("--netmask"))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "method=manual\naddress1=%s", address)
		if gateway := c.Value("--gateway"); gateway != "" {
			b.WriteString("," + gateway)
		}
		b.WriteByte('\n')
	default:
		b.WriteString("method=auto\n")
	}
	for server := range strings.SplitSeq(servers, ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(server)); err == nil && a.Is4() {
			fmt.Fprintf(&b, "dns=%s;\n", a)
		}
	}
	if c.Has("--nodefroute") {
		b.WriteString("never-default=true\n")
	}
	b.WriteString("\n[ipv6]\n")
	switch v6 := c.Value("--ipv6"); {
	case c.Has("--noipv6"):
		b.WriteString("method=disabled\n")
	case v6 == "" || v6 == "auto":
		b.WriteString("method=auto\n")
	case v6 == "dhcp":
		b.WriteString("method=dhcp\n")
	default:
		fmt.Fprintf(&b, "method=manual\naddress1=%s", v6)
		if gateway := c.Value("--ipv6gateway"); gateway != "" {
			b.WriteString("," + gateway)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// prefixed is an address with its network's prefix length, from a netmask such as 255.255.255.0.
func prefixed(ip, netmask string) (string, error) {
	address, err := netip.ParseAddr(ip)
	if err != nil || !address.Is4() {
		return "", fmt.Errorf("--ip=%s is no IPv4 address", ip)
	}
	mask, err := netip.ParseAddr(netmask)
	if err != nil || !mask.Is4() {
		return "", fmt.Errorf("--netmask=%s is no netmask", netmask)
	}
	bits, ended := 0, false
	for _, b := range mask.As4() {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return "", fmt.Errorf("--netmask=%s is no netmask", netmask)
			}
			ended = !one
			if one {
				bits++
			}
		}
	}
	return fmt.Sprintf("%s/%d", address, bits), nil
}
