package ami

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/snapshot"
)

// A Retirement takes old images of a family out of the way. It touches only
// what carries our tags: images of the family, and snapshots of their disks
// that no other image uses.
type Retirement struct {
	Delete bool          // deregister images and delete their snapshots, instead of deprecating them
	Keep   int           // how many of the newest stay, whatever their age
	Older  time.Duration // images that are younger stay
	Apply  bool          // do it; otherwise say what would be done
	Now    time.Time
}

// retireAll retires images of a family in all regions, and returns how many there
// are to retire. A region that fails fails alone.
func (g *Registrar) retireAll(ctx context.Context, family string, r Retirement) (int, error) {
	counts, errs := make([]int, len(g.Settings.Regions)), make([]error, len(g.Settings.Regions))
	var work sync.WaitGroup
	for i, name := range g.Settings.Regions {
		work.Go(func() { counts[i], errs[i] = g.retire(ctx, g.Account.Region(name), family, r) })
	}
	work.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, errors.Join(errs...)
}

func (g *Registrar) retire(ctx context.Context, region *account.Region, family string, r Retirement) (int, error) {
	all, err := images(ctx, region, filter("tag:"+TagFamily, family))
	if err != nil {
		return 0, err
	}
	old, err := r.choose(all, family)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", region.Name, err)
	}
	g.Report.Printf("%s: %d images of family %s, %d of them to retire", region.Name, len(all), family, len(old))
	for _, img := range old {
		name := fmt.Sprintf("%s (%s, made %s)", aws.ToString(img.ImageId), aws.ToString(img.Name), aws.ToString(img.CreationDate)[:10])
		switch {
		case !r.Apply && r.Delete:
			g.Report.Printf("%s: would delete %s and its snapshot", region.Name, name)
		case !r.Apply:
			g.Report.Printf("%s: would deprecate %s", region.Name, name)
		case r.Delete:
			if err := remove(ctx, region, img); err != nil {
				return len(old), err
			}
			g.Report.Printf("%s: deleted %s", region.Name, name)
		default:
			if err := deprecate(ctx, region, aws.ToString(img.ImageId), time.Now().Add(soon).Truncate(time.Minute)); err != nil {
				return len(old), err
			}
			g.Report.Printf("%s: deprecated %s", region.Name, name)
		}
	}
	if !r.Delete {
		return len(old), nil
	}
	orphans, err := g.orphans(ctx, region, family, r)
	return len(old) + orphans, err
}

// soon is as close as a date of deprecation may be, as EC2 refuses those that have passed.
const soon = 2 * time.Minute

// abandoned is the age at which a snapshot without an image is no longer one
// that is being registered.
const abandoned = 24 * time.Hour

// orphans deletes the family's snapshots that no image uses, as a run leaves
// them that is stopped between an image and its snapshot.
func (g *Registrar) orphans(ctx context.Context, region *account.Region, family string, r Retirement) (int, error) {
	all, err := account.Call(ctx, region, "looking for snapshots", func(ctx context.Context) (*ec2.DescribeSnapshotsOutput, error) {
		return region.EC2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: []types.Filter{filter("tag:"+TagFamily, family)}})
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, snap := range all.Snapshots {
		id, disk := aws.ToString(snap.SnapshotId), tag(snap.Tags, snapshot.TagDisk)
		if age := r.Now.Sub(aws.ToTime(snap.StartTime)); disk == "" || age < max(abandoned, r.Older) {
			continue
		}
		users, err := images(ctx, region, filter("block-device-mapping.snapshot-id", id))
		if err != nil {
			return n, err
		}
		if len(users) > 0 {
			continue
		}
		n++
		if !r.Apply {
			g.Report.Printf("%s: would delete snapshot %s, which no image uses", region.Name, id)
			continue
		}
		if err := removeSnapshot(ctx, region, id, disk); err != nil {
			return n, err
		}
		g.Report.Printf("%s: deleted snapshot %s, which no image used", region.Name, id)
	}
	return n, nil
}

// choose returns the images to retire, the oldest first.
func (r Retirement) choose(all []types.Image, family string) ([]types.Image, error) {
	type aged struct {
		types.Image
		made time.Time
	}
	var ours []aged
	for _, img := range all {
		// What was tagged by somebody else is not ours.
		if tag(img.Tags, TagFamily) != family || tag(img.Tags, snapshot.TagDisk) == "" || tag(img.Tags, TagImage) == "" {
			continue
		}
		made, err := time.Parse(time.RFC3339, aws.ToString(img.CreationDate))
		if err != nil {
			return nil, fmt.Errorf("image %s was made at %q, which is no time", aws.ToString(img.ImageId), aws.ToString(img.CreationDate))
		}
		ours = append(ours, aged{img, made})
	}
	slices.SortFunc(ours, func(a, b aged) int {
		return cmp.Or(a.made.Compare(b.made), cmp.Compare(aws.ToString(a.ImageId), aws.ToString(b.ImageId)))
	})
	var old []types.Image
	for i, img := range ours {
		kept := i >= len(ours)-r.Keep || r.Older > 0 && r.Now.Sub(img.made) < r.Older
		deprecated, err := time.Parse(time.RFC3339, aws.ToString(img.DeprecationTime))
		done := !r.Delete && err == nil && !deprecated.After(r.Now.Add(2*soon))
		if !kept && !done {
			old = append(old, img.Image)
		}
	}
	return old, nil
}

// remove deregisters an image and deletes its snapshots that are ours and that
// no other image uses.
func remove(ctx context.Context, r *account.Region, img types.Image) error {
	id := aws.ToString(img.ImageId)
	_, err := account.Call(ctx, r, "deregistering "+id, func(ctx context.Context) (*ec2.DeregisterImageOutput, error) {
		return r.EC2.DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: img.ImageId})
	})
	if err != nil && account.Code(err) != "InvalidAMIID.Unavailable" && account.Code(err) != "InvalidAMIID.NotFound" {
		return err
	}
	for _, m := range img.BlockDeviceMappings {
		if m.Ebs == nil || m.Ebs.SnapshotId == nil {
			continue
		}
		if err := removeSnapshot(ctx, r, aws.ToString(m.Ebs.SnapshotId), tag(img.Tags, snapshot.TagDisk)); err != nil {
			return err
		}
	}
	return nil
}

func removeSnapshot(ctx context.Context, r *account.Region, id, disk string) error {
	found, err := account.Call(ctx, r, "asking for snapshot "+id, func(ctx context.Context) (*ec2.DescribeSnapshotsOutput, error) {
		return r.EC2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}, OwnerIds: []string{"self"}})
	})
	if account.Code(err) == "InvalidSnapshot.NotFound" {
		return nil
	}
	if err != nil {
		return err
	}
	if len(found.Snapshots) == 0 || tag(found.Snapshots[0].Tags, snapshot.TagDisk) != disk {
		return nil
	}
	// AWS keeps a snapshot that an image uses, and may think for a moment that
	// the one that is gone still does.
	users, err := images(ctx, r, filter("block-device-mapping.snapshot-id", id))
	if err != nil || len(users) > 0 {
		return err
	}
	_, err = account.Call(ctx, r, "deleting snapshot "+id, func(ctx context.Context) (*ec2.DeleteSnapshotOutput, error) {
		return r.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: aws.String(id)})
	}, "InvalidSnapshot.InUse")
	if account.Code(err) == "InvalidSnapshot.NotFound" {
		return nil
	}
	return err
}

// Retire retires images of a family in the regions that the command line names.
func (j *Job) Retire(ctx context.Context, family string, r Retirement) (int, error) {
	g, err := j.registrar(ctx, &manifest.Manifest{})
	if err != nil {
		return 0, err
	}
	return g.retireAll(ctx, family, r)
}
