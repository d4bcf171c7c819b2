package ami

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/near"
	"github.com/respin-project/respin/internal/report"
)

// preflight asks, before the first byte goes out, whether everything can work
// out in all regions: whether the name is free, and, for a public image,
// whether the region lets it be one. It changes nothing. The errors of all
// regions are joined.
func (g *Registrar) preflight(ctx context.Context, id string, img *image) error {
	errs := make([]error, len(g.Settings.Regions))
	var work sync.WaitGroup
	for i, name := range g.Settings.Regions {
		work.Go(func() {
			p := &place{g: g, region: g.Account.Region(name), image: img, id: id}
			errs[i] = p.preflight(ctx)
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

// regions checks the credentials, and that the regions exist and are enabled.
func (g *Registrar) regions(ctx context.Context) error {
	home := g.Account.Region(g.Settings.Regions[0])
	if g.Account.Number == "" {
		if err := g.Account.Identify(ctx, home.Name); err != nil {
			return err
		}
	}
	all, err := account.Call(ctx, home, "asking for the regions", func(ctx context.Context) (*ec2.DescribeRegionsOutput, error) {
		return home.EC2.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true)})
	})
	if err != nil {
		return err
	}
	status := map[string]string{}
	var names []string
	for _, r := range all.Regions {
		names = append(names, aws.ToString(r.RegionName))
		status[aws.ToString(r.RegionName)] = aws.ToString(r.OptInStatus)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range g.Settings.Regions {
		switch {
		case status[name] == "not-opted-in":
			errs = append(errs, hint.Wrap(fmt.Errorf("region %s is not enabled for account %s", name, g.Account.Number), "enable it in the account's settings, or leave it out of --region"))
		case status[name] == "":
			err := fmt.Errorf("there is no region %q", name)
			if meant, ok := near.Name(name, names); ok {
				err = hint.Wrap(err, "did you mean %s?", meant)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// preflight checks one region.
func (p *place) preflight(ctx context.Context) error {
	there, err := p.find(ctx)
	if err != nil {
		return err
	}
	if there == nil {
		named, err := p.images(ctx, filter("name", p.image.name))
		if err != nil {
			return err
		}
		if len(named) > 0 {
			return p.taken(&named[0])
		}
	}
	if p.g.Settings.Public && (there == nil || !aws.ToBool(there.Public)) {
		return p.mayBePublic(ctx)
	}
	return nil
}

// mayBePublic checks what would keep an image from being public.
func (p *place) mayBePublic(ctx context.Context) error {
	const what = "asking whether images may be public"
	block, err := account.Call(ctx, p.region, what, func(ctx context.Context) (*ec2.GetImageBlockPublicAccessStateOutput, error) {
		return p.region.EC2.GetImageBlockPublicAccessState(ctx, &ec2.GetImageBlockPublicAccessStateInput{})
	})
	if err != nil {
		return err
	}
	if state := aws.ToString(block.ImageBlockPublicAccessState); state != string(types.ImageBlockPublicAccessDisabledStateUnblocked) {
		return hint.Wrap(fmt.Errorf("%s: the region blocks public access to images (%s)", p.region.Name, state),
			"aws ec2 disable-image-block-public-access --region %s ends that; or leave --public out", p.region.Name)
	}
	encryption, err := account.Call(ctx, p.region, what, func(ctx context.Context) (*ec2.GetEbsEncryptionByDefaultOutput, error) {
		return p.region.EC2.GetEbsEncryptionByDefault(ctx, &ec2.GetEbsEncryptionByDefaultInput{})
	})
	if err != nil {
		return err
	}
	if aws.ToBool(encryption.EbsEncryptionByDefault) {
		return hint.Wrap(fmt.Errorf("%s: snapshots are encrypted by default, and an image with an encrypted snapshot cannot be public", p.region.Name),
			"aws ec2 disable-ebs-encryption-by-default --region %s ends that; or leave --public out", p.region.Name)
	}
	return p.publicQuota(ctx)
}

// publicImages is the code of the quota on public images in a region, and
// usualQuota what it is if nobody asked for more.
const (
	publicImages = "L-0E3CBAB9"
	usualQuota   = 5
)

// publicQuota checks that one more image can be public.
func (p *place) publicQuota(ctx context.Context) error {
	public, err := p.images(ctx, filter("is-public", "true"))
	if err != nil {
		return err
	}
	quota := usualQuota
	answer, err := account.Call(ctx, p.region, "asking for the quota on public images", func(ctx context.Context) (*servicequotas.GetServiceQuotaOutput, error) {
		return p.region.Quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("ec2"), QuotaCode: aws.String(publicImages)})
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && answer.Quota != nil && answer.Quota.Value != nil:
		quota = int(*answer.Quota.Value)
	case len(public) >= quota:
		// The quota may be higher; if it is not, sharing says so.
		p.g.Report.Warn(report.Place{}, "%s: %d images are public, and the quota is not known: %v", p.region.Name, len(public), err)
		return nil
	}
	if len(public) >= quota {
		return hint.Wrap(fmt.Errorf("%s: %d images are public, and the quota is %d", p.region.Name, len(public), quota),
			"retire some with --retire, or ask for more: aws service-quotas request-service-quota-increase --region %s --service-code ec2 --quota-code %s --desired-value %d",
			p.region.Name, publicImages, max(2*quota, len(public)+1))
	}
	return nil
}
