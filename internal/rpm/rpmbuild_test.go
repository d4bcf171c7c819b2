package rpm_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/rpm"
)

const spec = `Name: shapes
Version: 1.5~rc1
Release: 2
Epoch: 1
Summary: What rpmbuild makes of all kinds of files
License: MIT
BuildArch: noarch
%description
%{summary}
%install
mkdir -p %{buildroot}/opt/d %{buildroot}/usr/share/doc/shapes
echo one > %{buildroot}/opt/a
ln %{buildroot}/opt/a %{buildroot}/opt/b
ln %{buildroot}/opt/a %{buildroot}/opt/d/c
ln -s ../opt/a %{buildroot}/opt/link
: > %{buildroot}/opt/empty
: > %{buildroot}/opt/h1
ln %{buildroot}/opt/h1 %{buildroot}/opt/h2
: > %{buildroot}/opt/ghost
echo text > %{buildroot}/usr/share/doc/shapes/README
echo tool > %{buildroot}/usr/tool
touch -d @1500000000 %{buildroot}/opt/a
%files
/opt/a
/opt/b
%dir %attr(0700,root,root) /opt/d
/opt/d/c
/opt/link
%caps(cap_net_raw=ep) /opt/empty
/opt/h1
/opt/h2
%ghost /opt/ghost
%doc /usr/share/doc/shapes/README
%attr(4755,root,mail) /usr/tool
`

const shapes = `drwxr-xr-x /opt
-rw-r--r-- /opt/a "one\n" (3 links)
-rw-r--r-- /opt/b "one\n" (3 links)
drwx------ /opt/d
-rw-r--r-- /opt/d/c "one\n" (3 links)
-rw-r--r-- /opt/empty ""
-rw-r--r-- /opt/h1 "" (2 links)
-rw-r--r-- /opt/h2 "" (2 links)
Lrwxrwxrwx /opt/link -> ../opt/a
drwxr-xr-x /usr
drwxr-xr-x /usr/share
drwxr-xr-x /usr/share/doc
drwxr-xr-x /usr/share/doc/shapes
-rw-r--r-- /usr/share/doc/shapes/README "text\n"
-rwxr-xr-x /usr/tool "tool\n"
`

// What rpmbuild of this machine makes, in all kinds of compression.
func TestExtractWhatRPMBuildMakes(t *testing.T) {
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		t.Skip("SKIP: rpmbuild is not installed")
	}
	for _, payload := range []string{"w9.gzdio", "w9.bzdio", "w2.xzdio", "w2.lzdio", "w3.zstdio", "w.ufdio"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "shapes.spec")
		os.WriteFile(path, []byte(spec), 0o644)
		out, err := exec.Command("rpmbuild", "-bb", "--define", "_topdir "+dir, "--define", "_binary_payload "+payload, "--define", "__os_install_post %{nil}", path).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", payload, err, out)
		}
		path = filepath.Join(dir, "RPMS/noarch/shapes-1.5~rc1-2.noarch.rpm")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := rpm.Verify(f, nil)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if p.NEVRA().String() != "shapes-1:1.5~rc1-2.noarch" {
			t.Errorf("package is %s", p.NEVRA())
		}
		p.Path = path
		root := newRoot(t)
		if err := rpm.Extract(context.Background(), root, []*rpm.Package{p}, rpm.Options{}); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if diff := cmp.Diff(shapes, tree(t, root)); diff != "" {
			t.Errorf("%s:\n%s", payload, diff)
		}
		if st, err := os.Stat(filepath.Join(root, "opt/a")); err != nil || st.ModTime().Unix() != 1500000000 {
			t.Errorf("%s: the time is %v, %v", payload, st.ModTime(), err)
		}
	}
}
