package rpm

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// The first is older than the second; see also TestCompareVersionsWithRPM.
func TestCompareVersions(t *testing.T) {
	for _, pair := range [][2]string{
		{"1.0", "2.0"}, {"2.0", "2.0.1"}, {"2.0.1", "2.0.1a"}, {"5.5p1", "5.5p2"}, {"5.5p1", "5.5p10"},
		{"10xyz", "10.1xyz"}, {"xyz10", "xyz10.1"}, {"xyz.4", "8"}, {"xyz.4", "2"}, {"5.5p2", "5.6p1"},
		{"5.6p1", "6.5p1"}, {"6.0", "6.0.rc1"}, {"10a2", "10b2"}, {"1.0a", "1.0aa"}, {"10.0001", "10.0039"},
		{"4.999.9", "5.0"}, {"20101121", "20101122"}, {"1.0~rc1", "1.0"}, {"1.0~rc1", "1.0~rc2"},
		{"1.0~rc1~git123", "1.0~rc1"}, {"1.0", "1.0^"}, {"1.0^", "1.0^git1"}, {"1.0^git1", "1.0^git2"},
		{"1.0^git1", "1.01"}, {"1.0^20160101", "1.0.1"}, {"1.0~rc1", "1.0~rc1^git1"}, {"1.0^git1~pre", "1.0^git1"},
		{"", "1"}, {"a", "1"}, {"~", ""}, {"", "^"},
	} {
		if got := CompareVersions(pair[0], pair[1]); got != -1 {
			t.Errorf("CompareVersions(%q, %q) = %d, want -1", pair[0], pair[1], got)
		}
		if got := CompareVersions(pair[1], pair[0]); got != 1 {
			t.Errorf("CompareVersions(%q, %q) = %d, want 1", pair[1], pair[0], got)
		}
	}
	for _, pair := range [][2]string{{"1.0", "1.0"}, {"1.0010", "1.10"}, {"1_0", "1.0"}, {"a+", "a_"}, {"", ""}, {"1.0.", "1.0"}, {"é1", "1"}, {"00", "0"}} {
		if got := CompareVersions(pair[0], pair[1]); got != 0 {
			t.Errorf("CompareVersions(%q, %q) = %d, want 0", pair[0], pair[1], got)
		}
	}
}

// What rpm itself says of versions at random.
func TestCompareVersionsWithRPM(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("SKIP: rpm is not installed")
	}
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		const letters = "aab0019.-_~^"
		b := make([]byte, r.IntN(7))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	var pairs [][2]string
	var script strings.Builder
	for range 3000 {
		a, b := word(), word()
		if r.IntN(4) == 0 {
			b = a + word()
		}
		if a == "" || b == "" { // rpm asks for something to compare
			continue
		}
		pairs = append(pairs, [2]string{a, b})
		fmt.Fprintf(&script, "print(rpm.vercmp('%s','%s')..'\\n') ", a, b)
	}
	// rpm.vercmp takes an epoch, version and release apart: without a dash it is rpmvercmp.
	out, err := exec.Command("rpm", "--eval", "%{lua: "+strings.ReplaceAll(script.String(), "-", "+")+"}").Output()
	if err != nil {
		t.Fatal(err)
	}
	results := strings.Fields(string(out))
	if len(results) != len(pairs) {
		t.Fatalf("rpm compared %d of %d pairs", len(results), len(pairs))
	}
	for i, p := range pairs {
		if got := fmt.Sprint(CompareVersions(p[0], p[1])); got != results[i] {
			t.Errorf("CompareVersions(%q, %q) = %s, rpm says %s", p[0], p[1], got, results[i])
		}
	}
}

func TestEVR(t *testing.T) {
	for in, want := range map[string]EVR{
		"1.0":         {0, "1.0", ""},
		"1.0-3.fc43":  {0, "1.0", "3.fc43"},
		"2:1.0-3":     {2, "1.0", "3"},
		"0:1.0":       {0, "1.0", ""},
		"1.0~rc1^2-1": {0, "1.0~rc1^2", "1"},
	} {
		got, err := ParseEVR(in)
		if err != nil || got != want {
			t.Errorf("ParseEVR(%q) = %+v, %v", in, got, err)
		}
		if back := got.String(); back != strings.TrimPrefix(in, "0:") {
			t.Errorf("%q is written as %q", in, back)
		}
	}
	for _, bad := range []string{"", ":1", "a:1", "-1:2", "1:", "1-", "-1", "99999999999:1"} {
		if got, err := ParseEVR(bad); err == nil {
			t.Errorf("ParseEVR(%q) = %+v", bad, got)
		}
	}
	if (EVR{1, "1", "1"}).Compare(EVR{0, "2", "2"}) != 1 || (EVR{0, "1", "2"}).Compare(EVR{0, "1", "1"}) != 1 {
		t.Error("epoch or release is not compared")
	}
}

func TestNEVRA(t *testing.T) {
	for in, want := range map[string]NEVRA{
		"bash-5.2.37-3.fc43.x86_64":             {"bash", EVR{0, "5.2.37", "3.fc43"}, "x86_64"},
		"grub2-tools-1:2.12-40.fc43.x86_64":     {"grub2-tools", EVR{1, "2.12", "40.fc43"}, "x86_64"},
		"python3.14-3.14.0-1.src.rpm":           {"python3.14", EVR{0, "3.14.0", "1"}, "src"},
		"libstdc++-static-15.2.1-1.fc43.x86_64": {"libstdc++-static", EVR{0, "15.2.1", "1.fc43"}, "x86_64"},
	} {
		got, err := ParseNEVRA(in)
		if err != nil || got != want || got.String() != strings.TrimSuffix(in, ".rpm") {
			t.Errorf("ParseNEVRA(%q) = %+v (%s), %v", in, got, got, err)
		}
	}
	for _, bad := range []string{"", "bash", "bash-1", "bash-1-2", "-1-2.x", "bash-1-2.", "bash-a:1-2.x", "a-.b", "--."} {
		if got, err := ParseNEVRA(bad); err == nil {
			t.Errorf("ParseNEVRA(%q) = %+v", bad, got)
		}
	}
	if got := (NEVRA{"a", EVR{3, "1", "2"}, "noarch"}).FileName(); got != "a-1-2.noarch.rpm" {
		t.Errorf("file name is %q", got)
	}
}
