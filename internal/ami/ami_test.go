package ami_test

import (
	"bytes"
	gocmp "cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/ami"
	"github.com/respin-project/respin/internal/convert"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
)

// everything is what can be wished for.
var everything = ami.Settings{
	Regions: []string{"us-east-1", "eu-central-1", "us-west-2"}, Public: true, Accounts: []string{"111122223333"},
	Organizations: []string{"arn:aws:organizations::123456789012:organization/o-abcdefghij"}, Tags: map[string]string{"team": "cloud"},
	Deprecate: "180d", Parameter: "/respin/{{.Name}}/{{.Version}}/{{.Arch}}",
}

// job registers with settings, as impatient as a test should be.
func job(t testing.TB, s ami.Settings, log *bytes.Buffer) *ami.Job {
	t.Helper()
	a, err := account.Open(context.Background(), os.Getenv, 16)
	if err != nil {
		t.Fatal(err)
	}
	a.Patience = account.Patience{
		Attempt: 2 * time.Second, Tries: 5, Outage: 30 * time.Second, Unseen: 5 * time.Second, Settle: 100 * time.Millisecond, First: time.Millisecond, Longest: 20 * time.Millisecond,
	}
	var rep *report.Report
	if log != nil {
		rep = report.New(log, "test", report.Lines, func(string) string { return "" })
	}
	return &ami.Job{Account: a, Flags: func(to *ami.Settings) { *to = s }, Workers: 16, Report: rep}
}

func TestManifest(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{Hidden: 10 * time.Millisecond, Ready: 20 * time.Millisecond, Copying: 30 * time.Millisecond})
	disk := ec2test.Disk(1, 9<<20+12345)
	m := ec2test.Image(t, t.TempDir(), "cloud", disk)
	if err := job(t, everything, nil).Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	var regions []string
	for _, p := range m.Publications {
		regions = append(regions, p.Destination)
		if id := s.Images(p.Destination)["cloud-43-1.x86_64"]; p.Kind != "ami" || p.Reference != id || p.SHA256 != m.Artifacts[0].SHA256 || p.Digest != "sha256:"+p.SHA256 {
			t.Errorf("publication %+v, the image is %s", p, id)
		}
		if err := s.Compare(p.Destination, s.Snapshots(p.Destination)[0], bytes.NewReader(disk)); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(regions)
	if diff := cmp.Diff([]string{"eu-central-1", "us-east-1", "us-west-2"}, regions); diff != "" {
		t.Errorf("regions (-want +got):\n%s", diff)
	}
	day := time.Now().Add(180 * 24 * time.Hour).UTC().Format(time.DateOnly)
	want := fmt.Sprintf(`us-west-2: image "cloud-43-1.x86_64" available "A test" x86_64 boot=uefi-preferred tpm= imds=v2.0 ena=true root=/dev/sda1 gp3 1GiB from="us-east-1" deprecated=%q `+
		`{Name=cloud-43-1.x86_64 respin:disk=%s respin:family=cloud-43.x86_64 respin:image=cloud-43-1.x86_64 team=cloud} shared=111122223333,all,arn:aws:organizations::123456789012:organization/o-abcdefghij`,
		day, m.Artifacts[0].SHA256)
	if !strings.Contains(s.State(), want) {
		t.Errorf("the state is\n%s\nwant\n%s", s.State(), want)
	}
	if saved, err := manifest.Open(m.Folder); err != nil || len(saved.Publications) != 3 {
		t.Errorf("manifest.json: %+v, %v", saved, err)
	}
	if left, _ := filepath.Glob(filepath.Join(m.Folder, "*.ebs-upload")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if v := s.Violations(); len(v) > 0 {
		t.Errorf("requests that the models forbid: %q", v)
	}

	// Once more it changes nothing, and uploads nothing.
	state, blocks, before := s.State(), s.Count("PutSnapshotBlock"), slices.Clone(m.Publications)
	if err := job(t, everything, nil).Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(state, s.State()); diff != "" {
		t.Errorf("a second run changes (-before +after):\n%s", diff)
	}
	if n := s.Count("PutSnapshotBlock"); n != blocks {
		t.Errorf("a second run writes %d blocks", n-blocks)
	}
	order := func(a, b manifest.Publication) int { return strings.Compare(a.Destination, b.Destination) }
	if diff := cmp.Diff(slices.SortedFunc(slices.Values(before), order), slices.SortedFunc(slices.Values(m.Publications), order)); diff != "" {
		t.Errorf("publications (-first +second):\n%s", diff)
	}
}

// Whatever goes wrong on the way, and wherever it is stopped, the end is that
// of a run in which nothing did.
func TestFaults(t *testing.T) {
	disk := ec2test.Disk(2, 6<<20)
	m := ec2test.Image(t, t.TempDir(), "cloud", disk)
	settings := everything
	settings.Regions = settings.Regions[:2]
	want := ""
	stopped, failed := 0, 0
	for seed := range uint64(46) {
		share := []float64{0, 0.05, 0.3}[seed%3]
		random := rand.New(rand.NewPCG(seed, 0))
		var mu sync.Mutex
		calm := false
		s := ec2test.Start(t, ec2fake.Options{
			Hidden: 3 * time.Millisecond, Ready: 5 * time.Millisecond, Copying: 5 * time.Millisecond,
			Fault: func(string, string) ec2fake.Fault {
				mu.Lock()
				defer mu.Unlock()
				if calm || random.Float64() >= share {
					return ec2fake.None
				}
				return ec2fake.Faults[random.IntN(len(ec2fake.Faults))]
			},
		})
		for try := 0; ; try++ {
			m.Publications = nil
			ctx, cancel := context.WithCancel(context.Background())
			if seed > 0 && try < 4 {
				time.AfterFunc(time.Duration(random.IntN(40_000))*time.Microsecond, cancel)
			}
			err := job(t, settings, nil).Manifest(ctx, m)
			interrupted := ctx.Err() != nil
			cancel()
			if err == nil {
				break
			}
			if interrupted {
				stopped++
			} else if failed++; try > 20 {
				t.Fatalf("seed %d: it fails for ever: %v", seed, err)
			}
			mu.Lock()
			calm = try > 10
			mu.Unlock()
		}
		if seed == 0 {
			want = s.State()
		} else if diff := cmp.Diff(want, s.State()); diff != "" {
			t.Fatalf("seed %d: the end is another (-undisturbed +disturbed):\n%s", seed, diff)
		}
		for _, region := range settings.Regions {
			for _, id := range s.Snapshots(region) {
				if err := s.Compare(region, id, bytes.NewReader(disk)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
		if v := s.Violations(); len(v) > 0 {
			t.Fatalf("seed %d: %q", seed, v)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(m.Folder, "*.ebs-upload")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Logf("stopped %d times, failed %d times", stopped, failed)
	if stopped < 100 {
		t.Error("it was hardly ever stopped")
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options ec2fake.Options
		change  func(*ami.Settings, *manifest.Manifest)
		want    string
		hint    string
	}{
		{"untested", ec2fake.Options{}, func(_ *ami.Settings, m *manifest.Manifest) { m.Tests = nil }, "it was not tested", "--allow-untested"},
		{"changed", ec2fake.Options{}, func(_ *ami.Settings, m *manifest.Manifest) {
			m.Artifacts[0].SHA256 = strings.Repeat("0", 64)
			m.Tests[0].SHA256 = m.Artifacts[0].SHA256
		}, "is not the file that its manifest describes", "img-build"},
		{"disabled region", ec2fake.Options{Disabled: []string{"af-south-1"}}, func(s *ami.Settings, _ *manifest.Manifest) { s.Regions = append(s.Regions, "af-south-1") },
			"region af-south-1 is not enabled for account 123456789012", "enable it"},
		{"misspelt region", ec2fake.Options{}, func(s *ami.Settings, _ *manifest.Manifest) { s.Regions = []string{"us-eats-1"} }, "us-eats-1", ""},
		{"blocked", ec2fake.Options{BlockPublic: map[string]bool{"eu-central-1": true}}, nil, "eu-central-1: the region blocks public access to images", "disable-image-block-public-access"},
		{"encrypted and public", ec2fake.Options{Encrypted: map[string]bool{"us-west-2": true}}, nil, "us-west-2: snapshots are encrypted by default", "--public"},
		{"quota", ec2fake.Options{PublicQuota: -1}, nil, "0 images are public, and the quota is -1", "request-service-quota-increase"},
		{"expired", ec2fake.Options{Keys: map[string]ec2fake.Key{ec2fake.DefaultKey: {Secret: ec2test.Secret, Expires: time.Now().Add(-time.Hour)}}}, nil, "ExpiredToken", "get new credentials"},
		{"wrong secret", ec2fake.Options{Keys: map[string]ec2fake.Key{ec2fake.DefaultKey: {Secret: "other"}}}, nil, "SignatureDoesNotMatch", "secret access key"},
		{"denied", ec2fake.Options{Keys: map[string]ec2fake.Key{ec2fake.DefaultKey: {Secret: ec2test.Secret, Denied: []string{"StartSnapshot"}}}}, nil, "AccessDeniedException", "docs/publish-aws.md"},
		{"no disk", ec2fake.Options{}, func(_ *ami.Settings, m *manifest.Manifest) { m.Artifacts[0].Format = "ova" }, "no artifact with a disk", "img-convert"},
		{"architecture", ec2fake.Options{}, func(_ *ami.Settings, m *manifest.Manifest) { m.Image.Arch = "riscv64" }, `no machines of architecture "riscv64"`, ""},
		{"name", ec2fake.Options{}, func(s *ami.Settings, _ *manifest.Manifest) { s.Name = "a~b" }, `does not take "a~b" as a name`, "--name"},
		{"root volume", ec2fake.Options{}, func(s *ami.Settings, _ *manifest.Manifest) { s.TPM, s.BootMode = true, "legacy-bios" }, `a TPM needs boot mode "uefi"`, ""},
		{"twice", ec2fake.Options{}, func(s *ami.Settings, _ *manifest.Manifest) { s.Regions = []string{"us-east-1", "us-east-1"} }, "given twice", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ec2test.Start(t, tt.options)
			m := ec2test.Image(t, t.TempDir(), "cloud", ec2test.Disk(3, 3<<20))
			settings := everything
			if tt.change != nil {
				tt.change(&settings, m)
			}
			var log bytes.Buffer
			err := job(t, settings, &log).Manifest(context.Background(), m)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if hints := strings.Join(hint.Of(first(err)), "\n"); !strings.Contains(hints, tt.hint) {
				t.Errorf("the hint is %q, want %q", hints, tt.hint)
			}
			if strings.Contains(err.Error()+log.String(), ec2test.Secret) {
				t.Errorf("the secret is told: %v\n%s", err, &log)
			}
			if len(m.Publications) > 0 || s.State() != "" {
				t.Errorf("something was published:\n%s", s.State())
			}
		})
	}
}

// A disk comes from a qcow2 or an .xz as well, and gets the same image; one
// without a digest in the manifest is held against what was tested.
func TestFormats(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	disk := ec2test.Disk(9, 5<<20)
	m := ec2test.Image(t, t.TempDir(), "cloud", disk)
	formats, err := convert.ParseFormats("qcow2,raw.xz")
	if err != nil {
		t.Fatal(err)
	}
	if err := convert.Manifest(context.Background(), m, formats, nil); err != nil {
		t.Fatal(err)
	}
	settings := ami.Settings{Regions: []string{"us-east-1"}}
	raw, qcow2, xz := m.Artifacts[0], *m.Artifact("qcow2"), *m.Artifact("raw.xz")
	unknown := raw
	unknown.SHA256 = ""
	state := ""
	for i, artifact := range []manifest.Artifact{xz, qcow2, raw, unknown} {
		m.Artifacts, m.Publications = []manifest.Artifact{artifact}, nil
		m.Tests[0].Artifact, m.Tests[0].SHA256 = artifact.Path, gocmp.Or(artifact.SHA256, raw.SHA256)
		if i == 1 { // afresh
			s = ec2test.Start(t, ec2fake.Options{})
		}
		if err := job(t, settings, nil).Manifest(context.Background(), m); err != nil {
			t.Fatalf("%s: %v", artifact.Format, err)
		}
		if err := s.Compare("us-east-1", s.Snapshots("us-east-1")[0], bytes.NewReader(disk)); err != nil {
			t.Errorf("%s: %v", artifact.Format, err)
		}
		if state == "" {
			state = s.State()
		} else if diff := cmp.Diff(state, s.State()); diff != "" {
			t.Errorf("%s: another state (-xz +this):\n%s", artifact.Format, diff)
		}
	}
	if err := os.WriteFile(filepath.Join(m.Folder, "disk.raw"), disk[:4<<20], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := job(t, settings, nil).Manifest(context.Background(), m); err == nil || !strings.Contains(err.Error(), "is not the one that was tested") {
		t.Errorf("another disk: %v", err)
	}
}

// first is the first of joined errors.
func first(err error) error {
	for {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return err
		}
		err = joined.Unwrap()[0]
	}
}

// A region that fails fails alone, and its run is made up for later.
func TestOneRegionFails(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	m := ec2test.Image(t, t.TempDir(), "cloud", ec2test.Disk(4, 2<<20))
	settings := everything
	settings.Public = false
	s.SetKey(ec2fake.DefaultKey, ec2fake.Key{Secret: ec2test.Secret, Denied: []string{"CopyImage"}})
	err := job(t, settings, nil).Manifest(context.Background(), m)
	if err == nil || !strings.Contains(err.Error(), "eu-central-1: copying") || !strings.Contains(err.Error(), "us-west-2: copying") {
		t.Fatalf("got %v", err)
	}
	saved, err := manifest.Open(m.Folder)
	if err != nil || len(saved.Publications) != 1 || saved.Publications[0].Destination != "us-east-1" {
		t.Fatalf("manifest.json has %+v, %v", saved, err)
	}
	s.SetKey(ec2fake.DefaultKey, ec2fake.Key{Secret: ec2test.Secret})
	saved.Folder = m.Folder
	if err := job(t, settings, nil).Manifest(context.Background(), saved); err != nil || len(saved.Publications) != 3 {
		t.Fatalf("afterwards: %+v, %v", saved.Publications, err)
	}
}

// The same disk registered in another way needs a name of its own.
func TestNameTaken(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	m := ec2test.Image(t, t.TempDir(), "cloud", ec2test.Disk(5, 1<<20))
	settings := ami.Settings{Regions: []string{"us-east-1"}, Name: "taken"}
	if err := job(t, settings, nil).Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	settings.BootMode = "uefi"
	err := job(t, settings, nil).Manifest(context.Background(), m)
	if err == nil || !strings.Contains(err.Error(), "which is the same disk registered in another way") {
		t.Errorf("got %v", err)
	}
	other := ec2test.Image(t, t.TempDir(), "other", ec2test.Disk(6, 1<<20))
	err = job(t, settings, nil).Manifest(context.Background(), other)
	if err == nil || !strings.Contains(err.Error(), `the name "taken" is taken by ami-`) {
		t.Errorf("got %v", err)
	}
	// With a name of its own it uses the same snapshot; with only another name it is the same image.
	settings.Name = "second"
	if err := job(t, settings, nil).Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	settings.Name = "third"
	if err := job(t, settings, nil).Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(s.Images("us-east-1"))); !slices.Equal(names, []string{"second", "taken"}) || len(s.Snapshots("us-east-1")) != 1 {
		t.Errorf("images %q, snapshots %q", names, s.Snapshots("us-east-1"))
	}
}

func TestDryRun(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	m := ec2test.Image(t, t.TempDir(), "cloud", ec2test.Disk(7, 1<<20))
	var log bytes.Buffer
	j := job(t, everything, &log)
	j.DryRun = true
	if err := j.Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"us-east-1: would write", `us-east-1: would register "cloud-43-1.x86_64" (x86_64, boot mode uefi-preferred`, "eu-central-1: would copy it from us-east-1", "would share it with everybody, 111122223333", `would set the SSM parameter "/respin/cloud/43/x86_64"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the plan lacks %q:\n%s", want, &log)
		}
	}
	if s.State() != "" || len(m.Publications) > 0 {
		t.Errorf("it did something:\n%s", s.State())
	}
	if left, _ := os.ReadDir(m.Folder); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
}

// What is encrypted gets its zeros written, or they would read as noise.
func TestEncrypted(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{Encrypted: map[string]bool{"us-east-1": true}})
	disk := ec2test.Disk(8, 5<<20)
	m := ec2test.Image(t, t.TempDir(), "cloud", disk)
	if err := job(t, ami.Settings{Regions: []string{"us-east-1"}}, nil).Manifest(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if n := s.Count("PutSnapshotBlock"); n != 2048 {
		t.Errorf("%d blocks were written, the volume has 2048", n)
	}
	if err := s.Compare("us-east-1", s.Snapshots("us-east-1")[0], bytes.NewReader(disk)); err != nil {
		t.Error(err)
	}
}
