package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/respin-project/respin/internal/report"
)

func (d *bucket) Send(ctx context.Context, files []File, s *State, have map[string]string, task *report.Task) (Outcome, error) {
	if s.Objects == nil {
		s.Objects = map[string]Object{}
	}
	var outcome Outcome
	err := each(ctx, files, func(ctx context.Context, _ int, f File) error {
		sum, err := contentDigest(f)
		if err != nil {
			return err
		}
		f.SHA256 = sum
		linked := false
		var o Object
		if equal := have[sum]; equal != "" && equal != f.Path {
			o, linked = d.copy(ctx, f, equal)
		}
		if !linked {
			if o, err = d.put(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.listed != nil {
			d.listed[f.Path] = o
		}
		s.Objects[f.Path] = o
		outcome.count(f, linked)
		progress(task, f.Size)
		return nil
	})
	return outcome, err
}

// copy has the bucket copy an object that it has, if it is what its digest says.
func (d *bucket) copy(ctx context.Context, f File, equal string) (Object, bool) {
	head, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.name, Key: d.key(equal)})
	if err != nil || head.Metadata["sha256"] != f.SHA256 || aws.ToInt64(head.ContentLength) != f.Size {
		return Object{}, false
	}
	source := escape(d.name + "/" + d.prefix + equal)
	out, err := d.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &d.name, Key: d.key(f.Path), CopySource: &source})
	if err != nil || out.CopyObjectResult == nil {
		return Object{}, false
	}
	return Object{f.Size, f.ModTime.Unix(), f.SHA256, aws.ToString(out.CopyObjectResult.ETag)}, true
}

// escape encodes what a header cannot hold; slashes stay.
func escape(p string) string {
	var b strings.Builder
	for _, c := range []byte(p) {
		if c == '/' || c == '-' || c == '_' || c == '.' || c == '~' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Swap has the bucket write the state only if it is the one that was read.
func (d *bucket) Swap(ctx context.Context, old []byte, f File) (theirs []byte, err error) {
	o, err := d.put(ctx, f, func(in *s3.PutObjectInput) {
		if old == nil {
			in.IfNoneMatch = aws.String("*")
		} else {
			in.IfMatch = &d.tag
		}
	})
	refusal, ok := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil:
		d.tag = o.ETag
		return nil, nil
	case !ok:
		return nil, err
	case refusal.ErrorCode() == "NotImplemented": // the server has no conditions
		_, err := d.put(ctx, f)
		return nil, err
	case refusal.ErrorCode() != "PreconditionFailed" && refusal.ErrorCode() != "ConditionalRequestConflict":
		return nil, err
	}
	theirs, err = d.Read(ctx, StateFile)
	if bytes.Equal(theirs, f.Data) { // the answer was lost, and the request sent again
		return nil, err
	}
	return theirs, err
}

// put sends an object with its digest, which the bucket holds it to.
func (d *bucket) put(ctx context.Context, f File, more ...func(*s3.PutObjectInput)) (Object, error) {
	in, err := f.Open()
	if err != nil {
		return Object{}, err
	}
	defer in.Close()
	o := Object{f.Size, f.ModTime.Unix(), f.SHA256, ""}
	if f.Size > onePart {
		o.ETag, err = d.putParts(ctx, f, in)
		return o, err
	}
	body, err := io.ReadAll(io.LimitReader(in, f.Size+1)) // so that it can be sent again
	if err != nil {
		return o, err
	}
	sum := sha256.Sum256(body)
	if got := hex.EncodeToString(sum[:]); got != f.SHA256 {
		return o, changed(got, f.SHA256)
	}
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	request := &s3.PutObjectInput{
		Bucket: &d.name, Key: d.key(f.Path), Body: bytes.NewReader(body), ContentLength: &f.Size, ChecksumSHA256: &checksum,
		ContentType: contentType(f.Path), CacheControl: cacheControl(f), Metadata: map[string]string{"sha256": f.SHA256},
	}
	for _, set := range more {
		set(request)
	}
	out, err := d.client.PutObject(ctx, request)
	if err != nil {
		return o, err
	}
	if got := aws.ToString(out.ChecksumSHA256); got != "" && got != checksum {
		return o, fmt.Errorf("the bucket has the SHA-256 %s instead of %s", got, checksum)
	}
	o.ETag = aws.ToString(out.ETag)
	return o, nil
}

// putParts sends a large object in parts, each held to its digest. It appears when all are there.
func (d *bucket) putParts(ctx context.Context, f File, in io.Reader) (etag string, err error) {
	up, err := d.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &d.name, Key: d.key(f.Path), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ContentType: contentType(f.Path), CacheControl: cacheControl(f), Metadata: map[string]string{"sha256": f.SHA256},
	})
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil { // also when the run was interrupted
			d.client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{Bucket: &d.name, Key: d.key(f.Path), UploadId: up.UploadId})
		}
	}()
	whole := sha256.New()
	buffer := make([]byte, onePart)
	var parts []types.CompletedPart
	for number := int32(1); ; number++ {
		n, err := io.ReadFull(in, buffer)
		if err == io.EOF {
			break
		} else if err != nil && err != io.ErrUnexpectedEOF {
			return "", err
		}
		whole.Write(buffer[:n])
		sum := sha256.Sum256(buffer[:n])
		checksum := base64.StdEncoding.EncodeToString(sum[:])
		out, err := d.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &d.name, Key: d.key(f.Path), UploadId: up.UploadId,
			PartNumber: aws.Int32(number), Body: bytes.NewReader(buffer[:n]), ChecksumSHA256: &checksum})
		if err != nil {
			return "", err
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(number), ETag: out.ETag, ChecksumSHA256: &checksum})
	}
	if got := hex.EncodeToString(whole.Sum(nil)); got != f.SHA256 {
		return "", changed(got, f.SHA256)
	}
	out, err := d.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &d.name, Key: d.key(f.Path),
		UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

func contentType(p string) *string {
	switch {
	case path.Ext(p) == ".json":
		return aws.String("application/json")
	case rank(p) != data:
		return aws.String("text/plain; charset=utf-8")
	}
	return aws.String("application/octet-stream")
}

// cacheControl keeps caches from handing out pointers to what was.
func cacheControl(f File) *string {
	if f.Rank == data {
		return nil
	}
	return aws.String("no-cache")
}

func (d *bucket) Delete(ctx context.Context, paths []string) error {
	for len(paths) > 0 {
		n := min(len(paths), 1000)
		var keys []types.ObjectIdentifier
		for _, p := range paths[:n] {
			keys = append(keys, types.ObjectIdentifier{Key: d.key(p)})
			delete(d.listed, p)
		}
		out, err := d.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &d.name, Delete: &types.Delete{Objects: keys, Quiet: aws.Bool(true)}})
		if err != nil {
			return err
		}
		for _, e := range out.Errors {
			if aws.ToString(e.Code) == "NoSuchKey" { // some servers say so
				continue
			}
			return fmt.Errorf("%s: %s: %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
		}
		paths = paths[n:]
	}
	return nil
}
