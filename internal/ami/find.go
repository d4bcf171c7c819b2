package ami

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/snapshot"
)

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// images are the account's in the region that pass the filters.
func (p *place) images(ctx context.Context, filters ...types.Filter) ([]types.Image, error) {
	return images(ctx, p.region, filters...)
}

func images(ctx context.Context, r *account.Region, filters ...types.Filter) ([]types.Image, error) {
	var all []types.Image
	for token := (*string)(nil); ; {
		page, err := account.Call(ctx, r, "looking for images", func(ctx context.Context) (*ec2.DescribeImagesOutput, error) {
			return r.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{
				Owners: []string{"self"}, Filters: filters, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(200), NextToken: token,
			})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Images...)
		if token = page.NextToken; token == nil {
			return all, nil
		}
	}
}

// find returns the image if it is there already; nil if not. Of several, the
// one with the right name, then the oldest, so that it is the same every time.
func (p *place) find(ctx context.Context) (*types.Image, error) {
	all, err := p.images(ctx, filter("tag:"+snapshot.TagDisk, p.image.disk))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i types.Image) bool { return broken(&i) || !p.same(&i) })
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b types.Image) int {
		if named := aws.ToString(a.Name) == p.image.name; named != (aws.ToString(b.Name) == p.image.name) {
			if named {
				return -1
			}
			return 1
		}
		return cmp.Compare(aws.ToString(a.CreationDate)+aws.ToString(a.ImageId), aws.ToString(b.CreationDate)+aws.ToString(b.ImageId))
	})
	if name := aws.ToString(all[0].Name); name != p.image.name {
		p.g.Report.Warn(report.Place{}, "%s: the disk is registered already, as %s with the name %q", p.region.Name, aws.ToString(all[0].ImageId), name)
	}
	return &all[0], nil
}

// failed is how many attempts at a copy came to nothing.
func (p *place) failed(ctx context.Context) (int, error) {
	all, err := p.images(ctx, filter("tag:"+snapshot.TagDisk, p.image.disk))
	n := 0
	for _, i := range all {
		if broken(&i) {
			n++
		}
	}
	return n, err
}

// same reports whether an image has this disk and would be registered the same way.
func (p *place) same(i *types.Image) bool {
	return tag(i.Tags, snapshot.TagDisk) == p.image.disk && i.Architecture == p.image.arch && i.BootMode == p.image.boot &&
		(i.TpmSupport == types.TpmSupportValuesV20) == p.image.tpm && aws.ToString(i.RootDeviceName) == p.image.root && rootSize(i) == p.image.gib
}

// rootSize is the size of the root volume, GiB.
func rootSize(i *types.Image) int32 {
	for _, m := range i.BlockDeviceMappings {
		if aws.ToString(m.DeviceName) == aws.ToString(i.RootDeviceName) && m.Ebs != nil {
			return aws.ToInt32(m.Ebs.VolumeSize)
		}
	}
	return 0
}

func tag(tags []types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// taken says that the name belongs to another image.
func (p *place) taken(i *types.Image) error {
	what := "another image"
	if tag(i.Tags, snapshot.TagDisk) == p.image.disk {
		what = "the same disk registered in another way"
	}
	return hint.Wrap(fmt.Errorf("%s: the name %q is taken by %s, which is %s", p.region.Name, p.image.name, aws.ToString(i.ImageId), what),
		"deregister %s, or give this image another name with --name", aws.ToString(i.ImageId))
}
