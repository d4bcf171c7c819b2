package ami

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/respin-project/respin/internal/account"
)

// finish brings an available image to the state that is wanted, the name that
// points at it last.
func (p *place) finish(ctx context.Context, img *types.Image) error {
	for _, step := range []func(context.Context, *types.Image) error{p.tag, p.deprecate, p.share, p.point} {
		if err := step(ctx, img); err != nil {
			return err
		}
	}
	return nil
}

// tag sets the tags that are missing or have another value.
func (p *place) tag(ctx context.Context, img *types.Image) error {
	tags := p.tags()
	if name := aws.ToString(img.Name); name != p.image.name {
		tags["Name"] = name
	}
	var missing []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if tag(img.Tags, key) != tags[key] {
			missing = append(missing, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err := account.Call(ctx, p.region, "tagging "+aws.ToString(img.ImageId), func(ctx context.Context) (*ec2.CreateTagsOutput, error) {
		return p.region.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{aws.ToString(img.ImageId)}, Tags: missing})
	}, "InvalidAMIID.NotFound")
	return err
}

// deprecate sets the date from which the image is not offered any more.
func (p *place) deprecate(ctx context.Context, img *types.Image) error {
	if p.image.deprecate == nil {
		return nil
	}
	created, err := time.Parse(time.RFC3339, aws.ToString(img.CreationDate))
	if err != nil {
		return fmt.Errorf("%s: image %s was made at %q, which is no time", p.region.Name, aws.ToString(img.ImageId), aws.ToString(img.CreationDate))
	}
	want := p.image.deprecate(created)
	if have, err := time.Parse(time.RFC3339, aws.ToString(img.DeprecationTime)); err == nil && have.Sub(want).Abs() < time.Hour {
		return nil
	}
	return deprecate(ctx, p.region, aws.ToString(img.ImageId), want)
}

func deprecate(ctx context.Context, r *account.Region, id string, at time.Time) error {
	_, err := account.Call(ctx, r, "deprecating "+id+" from "+at.Format(time.DateOnly)+" on", func(ctx context.Context) (*ec2.EnableImageDeprecationOutput, error) {
		return r.EC2.EnableImageDeprecation(ctx, &ec2.EnableImageDeprecationInput{ImageId: aws.String(id), DeprecateAt: aws.Time(at)})
	}, "InvalidAMIID.NotFound")
	return err
}

// share lets those launch the image who may.
func (p *place) share(ctx context.Context, img *types.Image) error {
	var who []types.LaunchPermission
	if p.g.Settings.Public && !aws.ToBool(img.Public) {
		who = append(who, types.LaunchPermission{Group: types.PermissionGroupAll})
	}
	for _, number := range p.g.Settings.Accounts {
		who = append(who, types.LaunchPermission{UserId: aws.String(number)})
	}
	for _, arn := range p.g.Settings.Organizations {
		if strings.Contains(arn, ":ou/") {
			who = append(who, types.LaunchPermission{OrganizationalUnitArn: aws.String(arn)})
		} else {
			who = append(who, types.LaunchPermission{OrganizationArn: aws.String(arn)})
		}
	}
	if len(who) == 0 {
		return nil
	}
	_, err := account.Call(ctx, p.region, "sharing "+aws.ToString(img.ImageId), func(ctx context.Context) (*ec2.ModifyImageAttributeOutput, error) {
		return p.region.EC2.ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{
			ImageId: img.ImageId, Attribute: aws.String("launchPermission"), LaunchPermission: &types.LaunchPermissionModifications{Add: who},
		})
	}, "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")
	return err
}

// point makes the SSM parameter name the image.
func (p *place) point(ctx context.Context, img *types.Image) error {
	if p.image.parameter == "" {
		return nil
	}
	what := fmt.Sprintf("setting the SSM parameter %q", p.image.parameter)
	now, err := account.Call(ctx, p.region, what, func(ctx context.Context) (*ssm.GetParameterOutput, error) {
		return p.region.SSM.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(p.image.parameter)})
	})
	if err == nil && now.Parameter != nil && aws.ToString(now.Parameter.Value) == aws.ToString(img.ImageId) {
		return nil
	}
	if err != nil && account.Code(err) != "ParameterNotFound" {
		return err
	}
	_, err = account.Call(ctx, p.region, what, func(ctx context.Context) (*ssm.PutParameterOutput, error) {
		return p.region.SSM.PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String(p.image.parameter), Value: img.ImageId, Type: ssmtypes.ParameterTypeString, DataType: aws.String("aws:ec2:image"), Overwrite: aws.Bool(true),
		})
	})
	return err
}
