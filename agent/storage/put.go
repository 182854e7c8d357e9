package storage

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

const (
	minPart      = 16 << 20 // bytes of a part; also the largest single request
	maxParts     = 10_000   // the S3 API's limit
	abortTimeout = 5 * time.Second
)

// partSize is equal for all parts but the last, as R2 wants it, and grows so that
// the largest object keeps within maxParts.
func partSize(size int64) int64 {
	const step = 1 << 20
	need := (size + maxParts - 1) / maxParts
	return max(minPart, (need+step-1)/step*step)
}

// Put uploads body. The file is read twice, once for the hash and once for the
// wire, and never held: parts are read straight from the ReaderAt.
func (s *s3Store) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	if commit == nil {
		commit = func() error { return nil }
	}
	if size <= minPart {
		return s.putWhole(ctx, key, body, size, commit)
	}
	return s.putParts(ctx, key, body, size, commit)
}

// putWhole sends one request. Its hash is signed before commit is asked, so a
// body that changes after that is refused by the store.
func (s *s3Store) putWhole(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	sum, err := hashOf(io.NewSectionReader(body, 0, size))
	if err != nil {
		return contract.ObjectInfo{}, fmt.Errorf("reading what is uploaded to %s: %w", s.URI(key), err)
	}
	if err := commit(); err != nil {
		return contract.ObjectInfo{}, err
	}
	in := &s3.PutObjectInput{
		Bucket: &s.cfg.Bucket, Key: &key, ContentLength: &size,
		Body: wire(ctx, body, 0, size),
	}
	if s.cfg.checksums() {
		in.ChecksumSHA256 = sum.base64()
	}
	out, err := s.api.PutObject(ctx, in, sum.signIn(in.ChecksumSHA256))
	if err != nil {
		return contract.ObjectInfo{}, s.explain(ctx, "writing", key, err)
	}
	return contract.ObjectInfo{Key: key, Size: size, ETag: aws.ToString(out.ETag)}, nil
}

func (s *s3Store) putParts(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: &key}
	if s.cfg.checksums() {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	}
	created, err := s.api.CreateMultipartUpload(ctx, in)
	if err != nil {
		return contract.ObjectInfo{}, s.explain(ctx, "writing", key, err)
	}
	up := &upload{store: s, key: key, id: aws.ToString(created.UploadId), body: body, size: size}
	parts, err := up.sendAll(ctx)
	if err == nil {
		err = commit()
	}
	if err != nil {
		return contract.ObjectInfo{}, errors.Join(err, up.abort(ctx))
	}
	return up.complete(ctx, parts)
}

// upload is one multipart upload.
type upload struct {
	store *s3Store
	key   string
	id    string
	body  io.ReaderAt
	size  int64
}

func (u *upload) sendAll(ctx context.Context) ([]types.CompletedPart, error) {
	step := partSize(u.size)
	parts := make([]types.CompletedPart, (u.size+step-1)/step)
	g, sending := crew.WithContext(ctx)
	g.SetLimit(u.store.cfg.Concurrency)
	for i := range parts {
		g.Go(func() (err error) {
			if err := sending.Err(); err != nil {
				return err
			}
			offset := int64(i) * step
			parts[i], err = u.send(sending, int32(i+1), offset, min(step, u.size-offset))
			return err
		})
	}
	return parts, g.Wait()
}

func (u *upload) send(ctx context.Context, number int32, offset, length int64) (types.CompletedPart, error) {
	s := u.store
	sum, err := hashOf(io.NewSectionReader(u.body, offset, length))
	if err != nil {
		return types.CompletedPart{}, fmt.Errorf("reading what is uploaded to %s: %w", s.URI(u.key), err)
	}
	in := &s3.UploadPartInput{
		Bucket: &s.cfg.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: &number, ContentLength: &length,
		Body: wire(ctx, u.body, offset, length),
	}
	part := types.CompletedPart{PartNumber: &number}
	if s.cfg.checksums() {
		in.ChecksumSHA256 = sum.base64()
		part.ChecksumSHA256 = in.ChecksumSHA256
	}
	out, err := s.api.UploadPart(ctx, in, sum.signIn(in.ChecksumSHA256))
	if err != nil {
		return types.CompletedPart{}, s.explain(ctx, "writing", u.key, err)
	}
	part.ETag = out.ETag
	return part, nil
}

func (u *upload) complete(ctx context.Context, parts []types.CompletedPart) (contract.ObjectInfo, error) {
	s := u.store
	out, err := s.api.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.cfg.Bucket, Key: &u.key, UploadId: &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err == nil {
		return contract.ObjectInfo{Key: u.key, Size: u.size, ETag: aws.ToString(out.ETag)}, nil
	}
	// The answer to a first, successful try may have been lost: then the retry
	// finds no such upload, and the object is there with the tag of our parts.
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchUpload" {
		info, statErr := s.Stat(ctx, u.key)
		if statErr == nil && info.Size == u.size && strings.Trim(info.ETag, `"`) == multipartETag(parts) {
			return info, nil
		}
	}
	return contract.ObjectInfo{}, errors.Join(s.explain(ctx, "writing", u.key, err), u.abort(ctx))
}

// abort frees the parts. It works after ctx is done: parts that stay behind cost
// money and are seen by nobody.
func (u *upload) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_, err := u.store.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &u.store.cfg.Bucket, Key: &u.key, UploadId: &u.id,
	})
	if err != nil {
		u.store.cfg.Log.Warn("an unfinished upload stays in the bucket until its lifecycle rule removes it",
			"key", u.key, "upload_id", u.id, "error", err)
	}
	return nil
}

// multipartETag is the ETag that S3 gives a multipart object: the MD5 of the
// parts' MD5s and their count; "" when the parts' tags are no MD5s.
func multipartETag(parts []types.CompletedPart) string {
	var all bytes.Buffer
	for _, p := range parts {
		sum, err := hex.DecodeString(strings.Trim(aws.ToString(p.ETag), `"`))
		if err != nil || len(sum) != md5.Size {
			return ""
		}
		all.Write(sum)
	}
	return fmt.Sprintf("%x-%d", md5.Sum(all.Bytes()), len(parts))
}

// digest is the SHA-256 of a request body.
type digest [sha256.Size]byte

func hashOf(r io.Reader) (d digest, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return d, err
	}
	h.Sum(d[:0])
	return d, nil
}

func (d digest) base64() *string { return aws.String(base64.StdEncoding.EncodeToString(d[:])) }

// signIn makes the hash part of the request's signature, over http and https
// alike, so that every store checks it: in the checksum header where there is
// one, else as the payload's hash, and not in both, because the store would hash
// each byte twice. The SDK would hash the body itself over http and leave it
// unsigned over https.
func (d digest) signIn(checksum *string) func(*s3.Options) {
	payload := "UNSIGNED-PAYLOAD"
	if checksum == nil {
		payload = hex.EncodeToString(d[:])
	}
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("SignBodyHash",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					return next.HandleInitialize(v4.SetPayloadHash(ctx, payload), in)
				}), middleware.Before)
		})
	}
}
