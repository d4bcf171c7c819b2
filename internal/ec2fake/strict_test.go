package ec2fake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
)

var ctx = context.Background()

// clients speak to the fake as AWS's SDK does, without retries.
func clients(t *testing.T) (*ebs.Client, *ec2.Client) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		t.Fatal(err)
	}
	return ebs.NewFromConfig(cfg), ec2.NewFromConfig(cfg)
}

func wants(t *testing.T, what string, err error, code string) {
	t.Helper()
	var api smithy.APIError
	switch {
	case code == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case code != "" && (!errors.As(err, &api) || api.ErrorCode() != code):
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func start(t *testing.T, c *ebs.Client) string {
	t.Helper()
	s, err := c.StartSnapshot(ctx, &ebs.StartSnapshotInput{VolumeSize: aws.Int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	return *s.SnapshotId
}

// put writes a block of data; change may spoil the request.
func put(c *ebs.Client, id string, index int32, data []byte, change func(*ebs.PutSnapshotBlockInput)) error {
	sum := sha256.Sum256(data)
	in := &ebs.PutSnapshotBlockInput{
		SnapshotId: &id, BlockIndex: &index, BlockData: bytes.NewReader(data), DataLength: aws.Int32(int32(len(data))),
		Checksum: aws.String(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
	}
	if change != nil {
		change(in)
	}
	_, err := c.PutSnapshotBlock(ctx, in)
	return err
}

func linear(blocks ...[]byte) string {
	h := sha256.New()
	for _, b := range blocks {
		sum := sha256.Sum256(b)
		h.Write(sum[:])
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func complete(c *ebs.Client, id string, count int32, sum string) error {
	_, err := c.CompleteSnapshot(ctx, &ebs.CompleteSnapshotInput{
		SnapshotId: &id, ChangedBlocksCount: &count, Checksum: &sum, ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
		ChecksumAggregationMethod: ebstypes.ChecksumAggregationMethodChecksumAggregationLinear,
	})
	return err
}

func TestBlocks(t *testing.T) {
	t.Run("in a file", func(t *testing.T) { blocks(t, ec2fake.Options{}) })
	t.Run("in memory", func(t *testing.T) { blocks(t, ec2fake.Options{Memory: true}) })
}

// blocks writes a snapshot wrongly and rightly, and reads it.
func blocks(t *testing.T, o ec2fake.Options) {
	s := ec2test.Start(t, o)
	c, _ := clients(t)
	a, b := bytes.Repeat([]byte{1}, ec2fake.BlockSize), bytes.Repeat([]byte{2}, ec2fake.BlockSize)
	id := start(t, c)
	wants(t, "a short block", put(c, id, 0, a[:1000], nil), "ValidationException")
	wants(t, "a wrong length", put(c, id, 0, a, func(in *ebs.PutSnapshotBlockInput) { in.DataLength = aws.Int32(512) }), "ValidationException")
	wants(t, "a wrong checksum", put(c, id, 0, a, func(in *ebs.PutSnapshotBlockInput) { in.Checksum = aws.String(linear(a)) }), "ValidationException")
	wants(t, "another algorithm", put(c, id, 0, a, func(in *ebs.PutSnapshotBlockInput) { in.ChecksumAlgorithm = "MD5" }), "ValidationException")
	wants(t, "behind the end", put(c, id, 2048, a, nil), "ValidationException")
	wants(t, "of no snapshot", put(c, "snap-0123", 0, a, nil), "ResourceNotFoundException")
	wants(t, "of no id", put(c, "vol-0123", 0, a, nil), "ValidationException")
	wants(t, "block 7", put(c, id, 7, b, nil), "")
	wants(t, "block 0", put(c, id, 0, a, nil), "")
	wants(t, "block 0 once more", put(c, id, 0, a, nil), "")
	wants(t, "a wrong count", complete(c, id, 3, linear(a, b)), "ValidationException")
	wants(t, "a wrong aggregate", complete(c, id, 2, linear(b, a)), "ValidationException")
	wants(t, "the right one", complete(c, id, 2, linear(a, b)), "")
	wants(t, "twice", complete(c, id, 2, linear(a, b)), "ValidationException")
	wants(t, "after the end", put(c, id, 1, a, nil), "ValidationException")

	disk := make([]byte, 8*ec2fake.BlockSize)
	copy(disk, a)
	copy(disk[7*ec2fake.BlockSize:], b)
	if err := s.Compare("us-east-1", id, bytes.NewReader(disk)); err != nil {
		t.Error(err)
	}
	disk[3*ec2fake.BlockSize]++
	if err := s.Compare("us-east-1", id, bytes.NewReader(disk)); err == nil {
		t.Error("another disk is the same")
	}
	page, err := c.ListSnapshotBlocks(ctx, &ebs.ListSnapshotBlocksInput{SnapshotId: &id})
	if err != nil || len(page.Blocks) != 2 {
		t.Fatalf("blocks %+v, %v", page, err)
	}
	got, err := c.GetSnapshotBlock(ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &id, BlockIndex: page.Blocks[1].BlockIndex, BlockToken: page.Blocks[1].BlockToken})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(got.BlockData); err != nil || !bytes.Equal(data, b) {
		t.Errorf("block 7 is another: %v", err)
	}
	response, err := http.Get(os.Getenv("AWS_ENDPOINT_URL") + "/volumes/us-east-1/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); n != 1<<30 || err != nil {
		t.Errorf("the volume has %d bytes, %v", n, err)
	}
}

func TestTokens(t *testing.T) {
	ec2test.Start(t, ec2fake.Options{})
	c, _ := clients(t)
	in := ebs.StartSnapshotInput{VolumeSize: aws.Int64(1), ClientToken: aws.String("one")}
	first, err := c.StartSnapshot(ctx, &in)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.StartSnapshot(ctx, &in); err != nil || *again.SnapshotId != *first.SnapshotId {
		t.Errorf("%+v, %v", again, err)
	}
	in.VolumeSize = aws.Int64(2)
	_, err = c.StartSnapshot(ctx, &in)
	wants(t, "the same token for something else", err, "ConflictException")
	_, err = c.StartSnapshot(ctx, &ebs.StartSnapshotInput{VolumeSize: aws.Int64(1), Timeout: aws.Int32(5)})
	wants(t, "a timeout that is too short", err, "ValidationException")
}

func register(c *ec2.Client, snap string, change func(*ec2.RegisterImageInput)) error {
	in := &ec2.RegisterImageInput{
		Name: aws.String("name"), Architecture: types.ArchitectureValuesX8664, VirtualizationType: aws.String("hvm"), RootDeviceName: aws.String("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &snap}}},
	}
	if change != nil {
		change(in)
	}
	_, err := c.RegisterImage(ctx, in)
	return err
}

func TestImages(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{Hidden: 150 * time.Millisecond, Ready: 150 * time.Millisecond})
	c, e := clients(t)
	id := start(t, c)
	wants(t, "of a snapshot that nobody sees", register(e, id, nil), "InvalidSnapshot.NotFound")
	time.Sleep(160 * time.Millisecond)
	wants(t, "of a pending snapshot", register(e, id, nil), "IncorrectState")
	wants(t, "completing", complete(c, id, 0, linear()), "")
	wants(t, "of one that is not ready", register(e, id, nil), "IncorrectState")
	time.Sleep(160 * time.Millisecond)
	wants(t, "a bad name", register(e, id, func(in *ec2.RegisterImageInput) { in.Name = aws.String("a+b") }), "InvalidAMIName.Malformed")
	wants(t, "an unknown boot mode", register(e, id, func(in *ec2.RegisterImageInput) { in.BootMode = "bios" }), "InvalidParameterValue")
	wants(t, "paravirtual", register(e, id, func(in *ec2.RegisterImageInput) { in.VirtualizationType = nil }), "InvalidParameterCombination")
	wants(t, "no root", register(e, id, func(in *ec2.RegisterImageInput) { in.RootDeviceName = aws.String("/dev/sda") }), "InvalidBlockDeviceMapping")
	wants(t, "a good one", register(e, id, nil), "")
	wants(t, "the name twice", register(e, id, nil), "InvalidAMIName.Duplicate")
	image := s.Images("us-east-1")["name"]
	_, err := e.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{image}})
	wants(t, "an image that nobody sees", err, "InvalidAMIID.NotFound")
	_, err = e.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{image}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	wants(t, "tagging it", err, "InvalidAMIID.NotFound")
	time.Sleep(160 * time.Millisecond)
	_, err = e.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id})
	wants(t, "deleting what is in use", err, "InvalidSnapshot.InUse")
	_, err = e.EnableImageDeprecation(ctx, &ec2.EnableImageDeprecationInput{ImageId: &image, DeprecateAt: aws.Time(time.Now().Add(-time.Hour))})
	wants(t, "deprecating it in the past", err, "InvalidParameterValue")
}

// Who asks too often is throttled, and told so as each service tells it.
func TestQuotas(t *testing.T) {
	ec2test.Start(t, ec2fake.Options{Quotas: true, BlockRate: 20})
	c, e := clients(t)
	id := start(t, c)
	block := bytes.Repeat([]byte{1}, ec2fake.BlockSize)
	var last error
	for i := range int32(10) {
		if last = put(c, id, i, block, nil); last != nil {
			break
		}
	}
	wants(t, "too many blocks", last, "RequestThrottledException")
	for range 200 {
		if _, last = e.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}); last != nil {
			break
		}
	}
	wants(t, "too many questions", last, "RequestLimitExceeded")
}

// What is not in the models is refused, and remembered.
func TestUnsigned(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	response, err := http.Post(os.Getenv("AWS_ENDPOINT_URL"), "application/x-www-form-urlencoded", strings.NewReader("Action=DescribeRegions&Version=2016-11-15"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode < 400 {
		t.Errorf("an unsigned request gets %s", response.Status)
	}
	_, e := clients(t)
	_, err = e.DescribeImages(ctx, &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: aws.String("colour"), Values: []string{"x"}}}})
	wants(t, "an unknown filter", err, "InvalidParameterValue")
	_, err = e.RegisterImage(ctx, &ec2.RegisterImageInput{Name: aws.String("x"), BootMode: "x"})
	wants(t, "a wrong enum", err, "InvalidParameterValue")
	if v := s.Violations(); len(v) != 1 || !strings.Contains(v[0], "BootMode") {
		t.Errorf("violations %q", v)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	_, e = clients(t)
	_, err = e.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	wants(t, "a wrong secret", err, "SignatureDoesNotMatch")
}
