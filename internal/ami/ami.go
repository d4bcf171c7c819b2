// Package ami registers machine images with EC2: in one region from a disk,
// in others as copies, and shares, tags, deprecates and retires them.
//
// Everything can be done again. What is there already is found by the tags
// that were put on it when it was made, and left as it is or brought to the
// state that is wanted.
package ami

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/snapshot"
	"github.com/respin-project/respin/internal/source"
)

// The tags of an image, besides snapshot.TagDisk. Nothing without them is ever retired.
const (
	TagFamily = "respin:family"
	TagImage  = "respin:image" // NAME-VERSION-RELEASE.ARCH
)

// Limits of how long EC2 may take.
const (
	registering = 30 * time.Minute
	copying     = 2 * time.Hour
	unseen      = 5 * time.Minute
)

// A Registrar registers images.
type Registrar struct {
	Account  *account.Account
	Settings Settings
	Workers  int // blocks on their way at a time
	Report   *report.Report
}

// A Disk is what an image is made of.
type Disk struct {
	source.Disk                             // itself, no wrapper, so that one that must be read in order can be told
	Path        string                      // of the file it is in, beside which the journal lies
	SHA256      string                      // of the disk, hexadecimal
	Check       func(context.Context) error // whether it is still what it was; may be nil
}

// A Registration is an image in a region.
type Registration struct {
	Region, ID, Name string
	New              bool // it was not there before
	Took             time.Duration
}

// register registers an image in all regions. landed is called for each region
// as it is done, one at a time. A region that fails fails alone, unless it is
// the first, of which the others are copies; the error joins those of all.
func (g *Registrar) register(ctx context.Context, id string, img *image, disk Disk, landed func(Registration) error) error {
	var mu sync.Mutex
	land := func(r Registration, began time.Time, err error) error {
		if err != nil {
			return err
		}
		r.Took = time.Since(began)
		mu.Lock()
		defer mu.Unlock()
		return landed(r)
	}
	began := time.Now()
	home := &place{g: g, region: g.Account.Region(g.Settings.Regions[0]), image: img, id: id}
	source, created, err := home.register(ctx, disk)
	if err != nil {
		return err
	}
	errs := make([]error, len(g.Settings.Regions))
	var work sync.WaitGroup
	work.Go(func() {
		err := home.finish(ctx, source)
		errs[0] = land(Registration{Region: home.region.Name, ID: aws.ToString(source.ImageId), Name: aws.ToString(source.Name), New: created}, began, err)
	})
	for i, name := range g.Settings.Regions[1:] {
		work.Go(func() {
			p := &place{g: g, region: g.Account.Region(name), image: img, id: id}
			copied, created, err := p.copy(ctx, home.region.Name, source)
			if err == nil {
				err = p.finish(ctx, copied)
			}
			r := Registration{Region: name, Name: img.name, New: created}
			if copied != nil {
				r.ID = aws.ToString(copied.ImageId)
			}
			errs[i+1] = land(r, began, err)
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

// A place is one region for one image.
type place struct {
	g      *Registrar
	region *account.Region
	image  *image
	id     string // of the manifest's image
}

// tags of everything that is made.
func (p *place) tags() map[string]string {
	tags := map[string]string{"Name": p.image.name, TagFamily: p.image.family, TagImage: p.id}
	maps.Copy(tags, p.image.tags)
	return tags
}

// specifications are the tags for a request, on what it makes.
func (p *place) specifications(kinds ...types.ResourceType) []types.TagSpecification {
	tags := p.tags()
	tags[snapshot.TagDisk] = p.image.disk
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	var all []types.TagSpecification
	for _, kind := range kinds {
		all = append(all, types.TagSpecification{ResourceType: kind, Tags: list})
	}
	return all
}

// register has the image, available, in the region that gets the disk.
func (p *place) register(ctx context.Context, disk Disk) (img *types.Image, created bool, err error) {
	if img, err = p.find(ctx); err != nil || img != nil {
		if err == nil {
			img, err = p.available(ctx, aws.ToString(img.ImageId), registering)
		}
		return img, false, err
	}
	w := &snapshot.Writer{
		Region: p.region, Disk: disk.Disk, SHA256: disk.SHA256, Description: p.image.name, Tags: p.tags(), Workers: p.g.Workers,
		Journal: disk.Path + "." + p.region.Name + ".ebs-upload", Report: p.g.Report, Check: disk.Check,
	}
	snap, err := w.Write(ctx)
	if err != nil {
		return nil, false, err
	}
	input := &ec2.RegisterImageInput{
		Name: aws.String(p.image.name), Architecture: p.image.arch, BootMode: p.image.boot, ImdsSupport: types.ImdsSupportValuesV20, EnaSupport: aws.Bool(true),
		VirtualizationType: aws.String("hvm"), RootDeviceName: aws.String(p.image.root), TagSpecifications: p.specifications(types.ResourceTypeImage),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String(p.image.root), Ebs: &types.EbsBlockDevice{
			SnapshotId: aws.String(snap), VolumeType: types.VolumeTypeGp3, VolumeSize: aws.Int32(p.image.gib), DeleteOnTermination: aws.Bool(true),
		}}},
	}
	if p.image.description != "" {
		input.Description = aws.String(p.image.description)
	}
	if p.image.tpm {
		input.TpmSupport = types.TpmSupportValuesV20
	}
	registered, err := account.Call(ctx, p.region, fmt.Sprintf("registering %q", p.image.name), func(ctx context.Context) (*ec2.RegisterImageOutput, error) {
		return p.region.EC2.RegisterImage(ctx, input)
	}, "InvalidSnapshot.NotFound")
	switch {
	case account.Code(err) == "InvalidAMIName.Duplicate":
		// It may be ours: made a moment ago, by a run whose answer was lost.
		img, err = p.duplicate(ctx)
		if err != nil {
			return nil, false, err
		}
	case err != nil:
		return nil, false, err
	default:
		img, created = &types.Image{ImageId: registered.ImageId}, true
	}
	img, err = p.available(ctx, aws.ToString(img.ImageId), registering)
	return img, created, err
}

// duplicate returns the image that has the name, if it is this one.
func (p *place) duplicate(ctx context.Context) (*types.Image, error) {
	var named *types.Image
	err := account.Wait(ctx, p.region, unseen, func(ctx context.Context) (bool, error) {
		all, err := p.images(ctx, filter("name", p.image.name))
		if len(all) > 0 {
			named = &all[0]
		}
		return named != nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: looking for the image that is called %q: %w", p.region.Name, p.image.name, err)
	}
	if !p.same(named) {
		return nil, p.taken(named)
	}
	return named, nil
}

// copy has a copy of the image, available.
func (p *place) copy(ctx context.Context, from string, of *types.Image) (img *types.Image, created bool, err error) {
	if img, err = p.find(ctx); err != nil {
		return nil, false, err
	}
	if img == nil {
		failed, err := p.failed(ctx)
		if err != nil {
			return nil, false, err
		}
		input := &ec2.CopyImageInput{
			Name: aws.String(p.image.name), SourceImageId: of.ImageId, SourceRegion: aws.String(from),
			ClientToken:       aws.String(fmt.Sprintf("respin-%s-%d", aws.ToString(of.ImageId), failed)),
			TagSpecifications: p.specifications(types.ResourceTypeImage, types.ResourceTypeSnapshot),
		}
		if p.image.description != "" {
			input.Description = aws.String(p.image.description)
		}
		copied, err := account.Call(ctx, p.region, "copying "+aws.ToString(of.ImageId)+" from "+from, func(ctx context.Context) (*ec2.CopyImageOutput, error) {
			return p.region.EC2.CopyImage(ctx, input)
		}, "InvalidAMIID.NotFound")
		if err != nil {
			return nil, false, err
		}
		img, created = &types.Image{ImageId: copied.ImageId}, true
	}
	img, err = p.available(ctx, aws.ToString(img.ImageId), copying)
	return img, created, err
}

// available waits until an image can be used.
func (p *place) available(ctx context.Context, id string, most time.Duration) (*types.Image, error) {
	task := p.g.Report.Task(p.region.Name+": "+id, 0, report.Items)
	defer task.Drop()
	task.Doing("waiting until it is available")
	var img *types.Image
	err := account.Wait(ctx, p.region, most, func(ctx context.Context) (bool, error) {
		found, err := account.Call(ctx, p.region, "asking for "+id, func(ctx context.Context) (*ec2.DescribeImagesOutput, error) {
			return p.region.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
		}, "InvalidAMIID.NotFound")
		if err != nil || len(found.Images) == 0 {
			return false, err
		}
		img = &found.Images[0]
		if broken(img) {
			why := ""
			if img.StateReason != nil {
				why = ": " + aws.ToString(img.StateReason.Message)
			}
			return false, hint.Wrap(fmt.Errorf("%s: image %s is %s%s", p.region.Name, id, img.State, why), "deregister it and run it again")
		}
		return img.State == types.ImageStateAvailable, nil
	})
	if errors.Is(err, account.ErrTooLong) {
		err = hint.Wrap(fmt.Errorf("%s: waiting until image %s is available: %w", p.region.Name, id, err), "run it again: it goes on waiting")
	}
	return img, err
}

func broken(img *types.Image) bool {
	switch img.State {
	case types.ImageStateFailed, types.ImageStateError, types.ImageStateInvalid, types.ImageStateDeregistered:
		return true
	}
	return false
}
