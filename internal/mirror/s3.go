package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	"github.com/respin-project/respin/internal/hint"
)

const (
	// onePart is the largest object that one request makes, and a part of larger ones, in bytes.
	onePart = 64 << 20
	// s3Tries is how often a request is tried; together about a minute.
	s3Tries = 15
)

// bucket is a part of an S3 bucket ("s3://bucket/prefix").
type bucket struct {
	client *s3.Client
	name   string
	prefix string // empty, or with a slash at its end

	mu     sync.Mutex
	listed map[string]Object // what is there, without digests; nil: not asked yet
	tag    string            // of the state that was read last
}

// OpenS3 returns a part of a bucket as a destination. Credentials, region and
// endpoint are those of the AWS SDKs' environment and configuration.
func OpenS3(ctx context.Context, name string) (Destination, error) {
	bucketName, prefix, _ := strings.Cut(strings.TrimPrefix(name, "s3://"), "/")
	if bucketName == "" {
		return nil, fmt.Errorf("%q names no bucket", name)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	retryer := func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = s3Tries
			o.Retryables = append(o.Retryables,
				retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}},
				retry.RetryableErrorCode{Codes: map[string]struct{}{"BadDigest": {}, "XAmzContentSHA256Mismatch": {}}}) // damaged on the way
			o.RateLimiter = ratelimit.None // a storm slows us down, and never fails us
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				d := min(50*time.Millisecond<<min(attempt, 10), 8*time.Second)
				return d/2 + rand.N(d/2), nil
			})
		})
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryer(retryer), config.WithDefaultRegion("us-east-1"), config.WithLogger(logging.Nop{}))
	if err == nil {
		_, err = cfg.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("finding credentials for %s: %w", name, err), "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws sso login")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil || os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_S3") != ""
	})
	return &bucket{client: client, name: bucketName, prefix: prefix}, nil
}

func (d *bucket) String() string { return strings.TrimSuffix("s3://"+d.name+"/"+d.prefix, "/") }
func (d *bucket) Close() error   { return nil }

// Lock does nothing: a bucket has no lock.
func (d *bucket) Lock() error { return nil }

func (d *bucket) key(p string) *string { return aws.String(d.prefix + p) }

// Read is how a run begins, so what was listed before is forgotten.
func (d *bucket) Read(ctx context.Context, p string) ([]byte, error) {
	d.listed = nil
	out, err := d.get(ctx, p)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	d.tag = aws.ToString(out.ETag)
	return io.ReadAll(out.Body)
}

func (d *bucket) get(ctx context.Context, p string) (*s3.GetObjectOutput, error) {
	out, err := d.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &d.name, Key: d.key(p)})
	if _, ok := errors.AsType[*types.NoSuchKey](err); ok {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p, err)
	}
	return out, nil
}

// list asks once what is there; this run then keeps account itself.
func (d *bucket) list(ctx context.Context) error {
	if d.listed != nil {
		return nil
	}
	listed := map[string]Object{}
	pages := s3.NewListObjectsV2Paginator(d.client, &s3.ListObjectsV2Input{Bucket: &d.name, Prefix: &d.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("listing: %w", err)
		}
		for _, o := range page.Contents {
			p := strings.TrimPrefix(aws.ToString(o.Key), d.prefix)
			listed[p] = Object{Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag)}
		}
	}
	d.listed = listed
	return nil
}

func (d *bucket) Missing(ctx context.Context, files []File, s *State) ([]File, error) {
	if err := d.list(ctx); err != nil {
		return nil, err
	}
	if s.Objects == nil {
		s.Objects = map[string]Object{}
	}
	absent := make([]bool, len(files))
	err := each(ctx, files, func(ctx context.Context, n int, f File) (err error) {
		absent[n], err = d.absent(ctx, f, s)
		return err
	})
	var missing []File
	for n, f := range files {
		if absent[n] {
			missing = append(missing, f)
		}
	}
	return missing, err
}

// absent compares a file with what the bucket was given, as the state has it,
// or where the last run was killed before it wrote that, with what the bucket knows of the object.
func (d *bucket) absent(ctx context.Context, f File, s *State) (bool, error) {
	d.mu.Lock()
	there, ok := d.listed[f.Path]
	known, noted := s.Objects[f.Path]
	d.mu.Unlock()
	if !ok || there.Size != f.Size {
		return true, nil
	}
	noted = noted && known.ETag == there.ETag
	if noted && f.SHA256 == "" && f.Rank == data && known.ModTime == f.ModTime.Unix() {
		return false, nil
	}
	want, err := contentDigest(f)
	if err != nil {
		return false, err
	}
	if !noted {
		head, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.name, Key: d.key(f.Path)})
		if err != nil {
			return false, fmt.Errorf("asking for %s: %w", f.Path, err)
		}
		known = Object{there.Size, f.ModTime.Unix(), head.Metadata["sha256"], there.ETag}
	}
	if known.SHA256 != want {
		return true, nil
	}
	known.ModTime = f.ModTime.Unix()
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Objects[f.Path] = known
	return false, nil
}

func contentDigest(f File) (string, error) {
	if f.SHA256 != "" {
		return f.SHA256, nil
	}
	in, err := f.Open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum, _, err := digest(in)
	return sum, err
}

func (d *bucket) List(ctx context.Context) ([]string, error) {
	err := d.list(ctx)
	var paths []string
	for p := range d.listed {
		paths = append(paths, p)
	}
	return paths, err
}

func (d *bucket) Check(ctx context.Context, files []File) ([]Problem, error) {
	var mu sync.Mutex
	var problems []Problem
	err := each(ctx, files, func(ctx context.Context, _ int, f File) error {
		what := ""
		want, err := contentDigest(f)
		if err != nil {
			return err
		}
		out, err := d.get(ctx, f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			what = "missing"
		} else if err != nil {
			return err
		} else {
			got, _, err := digest(out.Body)
			out.Body.Close()
			if err != nil && !strings.Contains(err.Error(), "checksum did not match") { // the SDK's error has no type
				return fmt.Errorf("reading %s: %w", f.Path, err)
			}
			if got != want {
				what = "damaged"
			}
		}
		if what != "" {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, problem(f, what))
		}
		return nil
	})
	return problems, err
}
