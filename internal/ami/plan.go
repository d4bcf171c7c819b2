package ami

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/snapshot"
)

// plan says what register would do.
func (g *Registrar) plan(ctx context.Context, id string, img *image, disk Disk) error {
	for i, name := range g.Settings.Regions {
		p := &place{g: g, region: g.Account.Region(name), image: img, id: id}
		steps, err := p.steps(ctx, i == 0, disk)
		if err != nil {
			return err
		}
		for _, step := range steps {
			g.Report.Printf("%s: would %s", name, step)
		}
	}
	return nil
}

// steps are what there is to do in one region, in words that follow "would".
func (p *place) steps(ctx context.Context, home bool, disk Disk) ([]string, error) {
	there, err := p.find(ctx)
	if err != nil {
		return nil, err
	}
	var steps []string
	switch {
	case there != nil:
		steps = append(steps, fmt.Sprintf("use %s, which is this image", aws.ToString(there.ImageId)))
	case home:
		snap, err := snapshot.Find(ctx, p.region, p.image.disk)
		if err != nil {
			return nil, err
		}
		if snap != "" {
			steps = append(steps, "use snapshot "+snap+", which is of this disk")
		} else {
			steps = append(steps, fmt.Sprintf("write %s, a disk of %s, into a new snapshot", disk.Path, report.Size(disk.Size())))
		}
		steps = append(steps, fmt.Sprintf("register %q (%s, boot mode %s, root volume %s of %d GiB%s)", p.image.name, p.image.arch, p.image.boot, p.image.root, p.image.gib, withTPM(p.image.tpm)))
	default:
		steps = append(steps, fmt.Sprintf("copy it from %s as %q", p.g.Settings.Regions[0], p.image.name))
	}
	return append(steps, p.finishing()...), nil
}

func withTPM(tpm bool) string {
	if tpm {
		return ", TPM"
	}
	return ""
}

// finishing are the steps of finish.
func (p *place) finishing() []string {
	var steps []string
	tags := p.tags()
	var words []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		words = append(words, key+"="+tags[key])
	}
	steps = append(steps, "tag it "+strings.Join(words, ", "))
	if p.image.deprecate != nil {
		steps = append(steps, "deprecate it from "+date(p.image.deprecate(time.Now()))+" on")
	}
	var who []string
	if p.g.Settings.Public {
		who = append(who, "everybody")
	}
	who = slices.Concat(who, p.g.Settings.Accounts, p.g.Settings.Organizations)
	if len(who) > 0 {
		steps = append(steps, "share it with "+strings.Join(who, ", "))
	}
	if p.image.parameter != "" {
		steps = append(steps, fmt.Sprintf("set the SSM parameter %q to its id", p.image.parameter))
	}
	return steps
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
