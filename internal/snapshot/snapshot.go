// Package snapshot writes a disk into a snapshot of EBS, block by block with
// the EBS direct APIs, without a bucket, a volume or a machine.
//
// A disk gets one snapshot in a region, however often it is written: a
// completed one is found by its tag, a pending one by the journal that lies
// beside the disk, and one that neither tells of by the token that AWS knows
// it by.
package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
	"github.com/respin-project/respin/internal/source"
)

const (
	// BlockSize is that of EBS direct, in bytes.
	BlockSize = 512 << 10
	// TagDisk is the tag that has the disk's SHA-256, hexadecimal.
	TagDisk = "respin:disk"

	idle       = 24 * 60         // minutes without a block until AWS gives a pending snapshot up
	completing = 2 * time.Hour   // most time until a completed snapshot is ready
	hidden     = 5 * time.Minute // most time until EC2 knows of a new one
)

// A Writer writes one disk into one region.
type Writer struct {
	Region      *account.Region
	Disk        source.Disk
	SHA256      string // of the disk, hexadecimal
	Description string
	Tags        map[string]string // besides TagDisk
	Workers     int               // blocks on their way at a time
	Journal     string            // the file that says what was written; it goes when all was
	Report      *report.Report
	// Check is called when all blocks are written, before they become a
	// snapshot; an error of it is the end. May be nil.
	Check func(context.Context) error
}

// errLost says that the pending snapshot cannot be completed, whatever is done.
var errLost = errors.New("the pending snapshot is not what its journal says")

// generations is how many snapshots are begun, should AWS have lost or spoilt one.
const generations = 4

// GiB is the size of the volume that the disk needs.
func (w *Writer) GiB() int64 { return max(1, (w.Disk.Size()+1<<30-1)>>30) }

// Find returns the id of the completed snapshot of the disk; empty if there is none.
func Find(ctx context.Context, r *account.Region, disk string) (string, error) {
	all, err := account.Call(ctx, r, "looking for the disk's snapshot", func(ctx context.Context) (*ec2.DescribeSnapshotsOutput, error) {
		return r.EC2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{
			OwnerIds: []string{"self"},
			Filters: []ec2types.Filter{
				{Name: aws.String("tag:" + TagDisk), Values: []string{disk}},
				{Name: aws.String("status"), Values: []string{"completed"}},
			},
		})
	})
	if err != nil || len(all.Snapshots) == 0 {
		return "", err
	}
	oldest := slices.MinFunc(all.Snapshots, func(a, b ec2types.Snapshot) int {
		return aws.ToTime(a.StartTime).Compare(aws.ToTime(b.StartTime))
	})
	return aws.ToString(oldest.SnapshotId), nil
}

// Write returns the id of the disk's snapshot, which is completed.
func (w *Writer) Write(ctx context.Context) (string, error) {
	j, err := openJournal(w.Journal, w.key())
	if err != nil {
		return "", err
	}
	defer j.close()
	if id, err := Find(ctx, w.Region, w.SHA256); err != nil {
		return "", err
	} else if id != "" {
		return id, j.remove()
	}
	w.discard(ctx, j.stale)
	first := 0
	if j.snapshot != "" {
		first = -1 // the journal's own
	}
	for generation := first; generation < generations; generation++ {
		if err = w.begin(ctx, j, generation); err == nil {
			err = w.finish(ctx, j)
		}
		if errors.Is(err, errLost) && j.snapshot != "" {
			// Another machine may have completed it, or an earlier run whose answer was lost.
			if sealed, stateErr := w.sealed(ctx, j.snapshot); stateErr != nil {
				return "", stateErr
			} else if sealed {
				err = nil
			}
		}
		if err == nil {
			return j.snapshot, j.remove()
		}
		if !errors.Is(err, errLost) {
			return "", err
		}
		w.Report.Warn(report.Place{}, "%s: %v; beginning another", w.Region.Name, err)
		w.discard(ctx, j.snapshot)
		if err := j.reset(); err != nil {
			return "", err
		}
	}
	return "", hint.Wrap(err, "delete the pending snapshots that are tagged %s=%s and run it again", TagDisk, w.SHA256)
}

// key is what the journal of this disk and region begins with.
func (w *Writer) key() string {
	return fmt.Sprintf("%s %s %d", w.Region.Name, w.SHA256, w.GiB())
}

// begin has a pending snapshot, that of the journal or a new one. AWS gives
// the same one again for the same token.
func (w *Writer) begin(ctx context.Context, j *journal, generation int) error {
	if j.snapshot != "" {
		w.Report.Printf("%s: going on with snapshot %s, which has %d blocks", w.Region.Name, j.snapshot, len(j.blocks))
		return nil
	}
	tags := maps.Clone(w.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[TagDisk] = w.SHA256
	input := &ebs.StartSnapshotInput{
		VolumeSize: aws.Int64(w.GiB()), Description: aws.String(w.Description), Timeout: aws.Int32(idle),
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%d\n", w.key(), w.Description, generation)
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		input.Tags = append(input.Tags, ebstypes.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
		fmt.Fprintf(h, "%q=%q\n", key, tags[key])
	}
	input.ClientToken = aws.String(hex.EncodeToString(h.Sum(nil)))
	started, err := account.Call(ctx, w.Region, "starting a snapshot", func(ctx context.Context) (*ebs.StartSnapshotOutput, error) {
		return w.Region.EBS.StartSnapshot(ctx, input)
	})
	switch {
	case account.Code(err) == "ConflictException":
		return fmt.Errorf("%w: %w", errLost, err)
	case err != nil:
		return err
	case started.Status == ebstypes.StatusError:
		return fmt.Errorf("%w: snapshot %s failed before", errLost, aws.ToString(started.SnapshotId))
	case aws.ToInt32(started.BlockSize) != BlockSize:
		return fmt.Errorf("%s: starting a snapshot: its blocks have %d bytes, not %d", w.Region.Name, aws.ToInt32(started.BlockSize), BlockSize)
	}
	// Neither is said of a snapshot that is not encrypted.
	encrypted := started.KmsKeyArn != nil || started.SseType != "" && started.SseType != ebstypes.SSETypeNone
	return j.begin(aws.ToString(started.SnapshotId), encrypted, started.Status == ebstypes.StatusCompleted)
}

// finish writes what is missing, completes the snapshot and waits until it can be used.
func (w *Writer) finish(ctx context.Context, j *journal) error {
	if !j.completed {
		if err := w.blocks(ctx, j); err != nil {
			return err
		}
		if w.Check != nil {
			if err := w.Check(ctx); err != nil {
				if ctx.Err() == nil {
					w.discard(ctx, j.snapshot)
					err = errors.Join(err, j.remove())
				}
				return err
			}
		}
		if err := w.complete(ctx, j); err != nil {
			return err
		}
	}
	task := w.Report.Task(w.Region.Name+": "+j.snapshot, 0, report.Items)
	defer task.Drop()
	task.Doing("waiting until it is completed")
	unseen := time.Now().Add(hidden)
	return account.Wait(ctx, w.Region, completing, func(ctx context.Context) (bool, error) {
		state, err := w.state(ctx, j.snapshot)
		switch {
		case err != nil:
			return false, err
		case state == "" && time.Now().After(unseen):
			return false, fmt.Errorf("%w: snapshot %s does not exist any more", errLost, j.snapshot)
		case state == ec2types.SnapshotStateError:
			return false, fmt.Errorf("%w: snapshot %s failed", errLost, j.snapshot)
		}
		return state == ec2types.SnapshotStateCompleted, nil
	})
}

// complete makes a snapshot of the blocks.
func (w *Writer) complete(ctx context.Context, j *journal) error {
	sum := j.aggregate()
	_, err := account.Call(ctx, w.Region, "completing snapshot "+j.snapshot, func(ctx context.Context) (*ebs.CompleteSnapshotOutput, error) {
		return w.Region.EBS.CompleteSnapshot(ctx, &ebs.CompleteSnapshotInput{
			SnapshotId: aws.String(j.snapshot), ChangedBlocksCount: aws.Int32(int32(len(j.blocks))), Checksum: aws.String(sum),
			ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256, ChecksumAggregationMethod: ebstypes.ChecksumAggregationMethodChecksumAggregationLinear,
		})
	})
	if refused(err) {
		return fmt.Errorf("%w: %w", errLost, err)
	} else if err != nil {
		return err
	}
	return j.complete()
}

// refused reports whether EBS direct will not have a request for this snapshot.
func refused(err error) bool {
	code := account.Code(err)
	return code == "ValidationException" || code == "ResourceNotFoundException" || code == "ConflictException"
}

// sealed reports whether a snapshot that cannot be written to is completed.
// AWS may not know it, or call it pending, for a while.
func (w *Writer) sealed(ctx context.Context, id string) (bool, error) {
	began, completed := time.Now(), false
	err := account.Wait(ctx, w.Region, hidden, func(ctx context.Context) (bool, error) {
		state, err := w.state(ctx, id)
		completed = state == ec2types.SnapshotStateCompleted
		return completed || state == ec2types.SnapshotStateError || time.Since(began) > w.Region.Settling(), err
	})
	return completed, err
}

// state of a snapshot as EC2 sees it; empty if it does not.
func (w *Writer) state(ctx context.Context, id string) (ec2types.SnapshotState, error) {
	all, err := account.Call(ctx, w.Region, "asking for snapshot "+id, func(ctx context.Context) (*ec2.DescribeSnapshotsOutput, error) {
		return w.Region.EC2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
	})
	if account.Code(err) == "InvalidSnapshot.NotFound" {
		return "", nil
	}
	if err != nil || len(all.Snapshots) == 0 {
		return "", err
	}
	return all.Snapshots[0].State, nil
}

// discard deletes a pending snapshot that is of no use. That it is still there
// does no harm, and costs what was written to it until AWS gives it up.
func (w *Writer) discard(ctx context.Context, id string) {
	if id == "" {
		return
	}
	_, err := account.Call(ctx, w.Region, "deleting snapshot "+id, func(ctx context.Context) (*ec2.DeleteSnapshotOutput, error) {
		return w.Region.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: aws.String(id)})
	})
	if err != nil && account.Code(err) != "InvalidSnapshot.NotFound" {
		w.Report.Warn(report.Place{}, "%v", err)
	}
}
