package rpm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/rpm"
)

func corpusPackages(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(corpus(t, "rpms/*/*.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(corpus(t, "rpms/*/*/*.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 || len(more) == 0 {
		t.Fatal("the corpus has no packages")
	}
	return append(paths, more...)
}

// The file lists are those that rpm prints.
func TestCorpusFileLists(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("SKIP: rpm is not installed")
	}
	const format = `[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{LONGFILESIZES} %{FILEMTIMES} %{FILEFLAGS} %{FILELINKTOS} %{FILEDIGESTS} %{FILEINODES} %{FILECOLORS}\n]`
	for _, path := range corpusPackages(t) {
		p, err := rpm.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		files, err := p.Files()
		if err != nil {
			t.Error(err)
			continue
		}
		var got strings.Builder
		for _, f := range files {
			fmt.Fprintf(&got, "%s %o %s:%s %d %d %d %s %s %d %d\n", f.Path, f.Mode, f.User, f.Group, f.Size, f.MTime, f.Flags, f.Link, f.Digest, f.Inode, f.Color)
		}
		out, err := exec.Command("rpm", "-qp", "--nosignature", "--nodigest", "--qf", format, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(string(out), " (none)\n", " 0\n") // packages of before colours
		if diff := cmp.Diff(want, got.String()); diff != "" && len(files) > 0 {
			t.Errorf("%s:\n%s", path, diff)
		}
		if out, err := exec.Command("rpm", "-qp", "--nosignature", "--nodigest", "--qf", "%{NEVRA}", path).Output(); err != nil || strings.Replace(string(out), "-0:", "-", 1) != p.NEVRA().String() {
			t.Errorf("%s: is %s, rpm says %s, %v", path, p.NEVRA(), out, err)
		}
	}
}

// Unpacked, the packages hold what rpm2archive finds in them.
func TestCorpusExtract(t *testing.T) {
	if _, err := exec.LookPath("rpm2archive"); err != nil {
		t.Skip("SKIP: rpm2archive is not installed")
	}
	for _, path := range corpusPackages(t) {
		p, err := rpm.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := newRoot(t), newRoot(t)
		err = rpm.Extract(context.Background(), ours, []*rpm.Package{p}, rpm.Options{})
		if strings.HasSuffix(path, "-corrupted.rpm") {
			if err == nil {
				t.Errorf("%s was unpacked", path)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		archive := exec.Command("rpm2archive", "--nosignature", "--nodigest", "-")
		archive.Stdin = f
		out, err := archive.Output()
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		tar := exec.Command("tar", "-xzp", "--no-same-owner", "-C", theirs)
		tar.Stdin = bytes.NewReader(out)
		if out, err := tar.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", path, err, out)
		}
		if diff := cmp.Diff(tree(t, theirs), tree(t, ours)); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
}

// BenchmarkVerify and BenchmarkExtract take the packages of the folder that RESPIN_BENCH_RPMS
// names, such as the packages of a buildroot.
func benchmarkPackages(b *testing.B) (paths []string, size int64) {
	dir := os.Getenv("RESPIN_BENCH_RPMS")
	if dir == "" {
		b.Skip("SKIP: RESPIN_BENCH_RPMS does not name a folder of packages")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(paths) == 0 {
		b.Fatalf("no packages in %s: %v", dir, err)
	}
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		size += st.Size()
	}
	return paths, size
}

func BenchmarkVerify(b *testing.B) {
	paths, size := benchmarkPackages(b)
	b.SetBytes(size)
	for b.Loop() {
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := rpm.Verify(f, nil); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	}
}

func BenchmarkExtract(b *testing.B) {
	paths, size := benchmarkPackages(b)
	b.SetBytes(size)
	for b.Loop() {
		var packages []*rpm.Package
		for _, path := range paths {
			p, err := rpm.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			packages = append(packages, p)
		}
		if err := rpm.Extract(context.Background(), newRoot(b), packages, rpm.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// Of every package of the corpus, what rpm on this machine says, with the same keys.
func TestCorpusVerdictsOfRPM(t *testing.T) {
	if _, err := exec.LookPath("rpmkeys"); err != nil {
		t.Skip("SKIP: rpmkeys is not installed")
	}
	db := "--dbpath=" + t.TempDir()
	keys := &rpm.Keyring{}
	for _, path := range []string{"rpm/keys/rpm.org-rsa-2048-test.pub", "cavaliergopher/RPM-GPG-KEY-CentOS-7"} {
		path = corpus(t, "rpms", path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.Add(data); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("rpmkeys", db, "--import", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	good := 0
	for _, path := range corpusPackages(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for level, keyring := range map[string]*rpm.Keyring{"digest": nil, "all": keys} {
			args := []string{db, "--define", "_pkgverify_level " + level, "-Kv", path}
			if level == "digest" {
				args = append(args, "--nosignature")
			}
			out, rpmErr := exec.Command("rpmkeys", args...).CombinedOutput()
			_, _, err := rpm.Verify(bytes.NewReader(data), keyring)
			if (err == nil) != (rpmErr == nil) {
				t.Errorf("%s, level %s: %v, rpm says:\n%s", path, level, err, out)
			}
			if err == nil {
				good++
			}
		}
	}
	if good < 40 {
		t.Errorf("only %d verdicts are good", good)
	}
}
