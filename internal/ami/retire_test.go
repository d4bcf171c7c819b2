package ami_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/ami"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
)

// Only the old ones of the family go, and nothing that somebody else made.
func TestRetire(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name   string
		r      ami.Retirement
		want   int
		left   string // the images' names
		orphan bool   // a snapshot without an image is still there
	}{
		{"dry", ami.Retirement{Delete: true, Now: time.Now().Add(30 * day)}, 4, "a-1 a-2 a-3 foreign other", true},
		{"keep", ami.Retirement{Delete: true, Keep: 2, Apply: true, Now: time.Now().Add(30 * day)}, 2, "a-2 a-3 foreign other", false},
		{"older", ami.Retirement{Delete: true, Older: 40 * day, Apply: true, Now: time.Now().Add(30 * day)}, 0, "a-1 a-2 a-3 foreign other", true},
		{"young orphan", ami.Retirement{Delete: true, Keep: 3, Apply: true, Now: time.Now()}, 0, "a-1 a-2 a-3 foreign other", true},
		{"all", ami.Retirement{Delete: true, Older: 20 * day, Apply: true, Now: time.Now().Add(30 * day)}, 4, "foreign other", false},
		{"deprecate", ami.Retirement{Keep: 1, Apply: true, Now: time.Now()}, 2, "a-1 a-2 a-3 foreign other", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ec2test.Start(t, ec2fake.Options{})
			settings := ami.Settings{Regions: []string{"us-east-1"}}
			for i, name := range []string{"a-1", "a-2", "a-3", "other"} {
				m := ec2test.Image(t, t.TempDir(), strings.Split(name, "-")[0], ec2test.Disk(uint64(20+i), 2<<20))
				settings.Name = name
				if err := job(t, settings, nil).Manifest(context.Background(), m); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Millisecond) // EC2 tells the time in milliseconds
			}
			j := job(t, settings, new(bytes.Buffer))
			r := j.Account.Region("us-east-1")
			used := s.Snapshots("us-east-1")
			foreign(t, r.EC2, used[0])
			orphan(t, s, settings)
			got, err := j.Retire(context.Background(), "a-43.x86_64", tt.r)
			if err != nil || got != tt.want {
				t.Errorf("%d are retired, %v, want %d", got, err, tt.want)
			}
			left := strings.Join(slices.Sorted(maps.Keys(s.Images("us-east-1"))), " ")
			if diff := cmp.Diff(tt.left, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if has := strings.Contains(s.State(), "snapshot of []"); has != tt.orphan {
				t.Errorf("orphans:\n%s", s.State())
			}
			if tt.name == "deprecate" && strings.Count(s.State(), fmt.Sprintf("deprecated=%q", time.Now().UTC().Format(time.DateOnly))) < 2 {
				t.Errorf("deprecated:\n%s", s.State())
			}
			if !tt.r.Apply {
				return
			}
			if again, err := j.Retire(context.Background(), "a-43.x86_64", tt.r); err != nil || again != 0 && tt.name != "deprecate" {
				t.Errorf("once more: %d, %v", again, err)
			}
		})
	}
}

// foreign registers an image that somebody else made, of a snapshot of ours,
// and tagged with our family.
func foreign(t *testing.T, c *ec2.Client, snap string) {
	t.Helper()
	_, err := c.RegisterImage(context.Background(), &ec2.RegisterImageInput{
		Name: aws.String("foreign"), Architecture: types.ArchitectureValuesX8664, VirtualizationType: aws.String("hvm"), RootDeviceName: aws.String("/dev/sda1"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &types.EbsBlockDevice{SnapshotId: aws.String(snap)}}},
		TagSpecifications:   []types.TagSpecification{{ResourceType: types.ResourceTypeImage, Tags: []types.Tag{{Key: aws.String(ami.TagFamily), Value: aws.String("a-43.x86_64")}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// orphan makes a snapshot of the family and no image, as a run does that is
// not allowed to register one.
func orphan(t *testing.T, s *ec2fake.Server, settings ami.Settings) {
	t.Helper()
	s.SetKey(ec2fake.DefaultKey, ec2fake.Key{Secret: ec2test.Secret, Denied: []string{"RegisterImage"}})
	defer s.SetKey(ec2fake.DefaultKey, ec2fake.Key{Secret: ec2test.Secret})
	settings.Name = "never"
	m := ec2test.Image(t, t.TempDir(), "a", ec2test.Disk(40, 1<<20))
	if err := job(t, settings, nil).Manifest(context.Background(), m); err == nil {
		t.Fatal("the orphan has an image")
	}
}
