package storage

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vision-platform/trainer-agent/contract"
)

// List walks the pages of a listing.
func (s *s3Store) List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error] {
	return func(yield func(contract.ObjectInfo, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
		for {
			page, err := s.api.ListObjectsV2(ctx, in)
			if err == nil && aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == aws.ToString(in.ContinuationToken) {
				err = errors.New("the server's listing does not advance")
			}
			if err != nil {
				yield(contract.ObjectInfo{}, s.explain(ctx, "listing", prefix, err))
				return
			}
			for _, o := range page.Contents {
				info, err := listed(o, page.EncodingType)
				if err != nil {
					yield(contract.ObjectInfo{}, s.explain(ctx, "listing", prefix, err))
					return
				}
				if !yield(info, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

const oddServer = "The store, or a proxy before it, does not answer as S3 does: look at its version and its logs."

// listed is an entry of a page. Keys are asked for in URL encoding, because XML has no
// control characters, and are decoded if the answer says that they are in it: a space is
// a plus then, and a plus %2B.
func listed(o types.Object, encoding types.EncodingType) (info contract.ObjectInfo, err error) {
	key := aws.ToString(o.Key)
	if encoding == types.EncodingTypeUrl {
		if key, err = url.QueryUnescape(key); err != nil {
			return info, contract.Failf(contract.CodeStorageError, "the server's listing has a key that is not URL-encoded as it says: %w", err).WithHint(oddServer)
		}
	}
	if size := aws.ToInt64(o.Size); size < 0 {
		return info, contract.Failf(contract.CodeStorageError, "the server's listing has %q with %d bytes", key, size).WithHint(oddServer)
	}
	return contract.ObjectInfo{Key: key, Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag)}, nil
}

// maxCopy is the largest object that one CopyObject takes.
const maxCopy = 5 << 30

// Copy duplicates an object on the server.
func (s *s3Store) Copy(ctx context.Context, srcKey, dstKey string) (contract.ObjectInfo, error) {
	info, err := s.Stat(ctx, srcKey)
	if err != nil {
		return contract.ObjectInfo{}, err
	}
	source := copySource(s.cfg.Bucket, srcKey)
	if info.Size > maxCopy {
		return s.copyParts(ctx, source, info, dstKey)
	}
	in := &s3.CopyObjectInput{Bucket: &s.cfg.Bucket, Key: &dstKey, CopySource: &source}
	if info.ETag != "" {
		in.CopySourceIfMatch = &info.ETag
	}
	out, err := s.api.CopyObject(ctx, in)
	if err != nil {
		return contract.ObjectInfo{}, s.explain(ctx, "copying", srcKey, err)
	}
	etag := ""
	if out.CopyObjectResult != nil {
		etag = aws.ToString(out.CopyObjectResult.ETag)
	}
	return contract.ObjectInfo{Key: dstKey, Size: info.Size, ETag: etag}, nil
}

func (s *s3Store) copyParts(ctx context.Context, source string, info contract.ObjectInfo, dstKey string) (contract.ObjectInfo, error) {
	created, err := s.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: &dstKey})
	if err != nil {
		return contract.ObjectInfo{}, s.explain(ctx, "copying", info.Key, err)
	}
	up := &upload{store: s, key: dstKey, id: aws.ToString(created.UploadId), size: info.Size}
	const step = 1 << 30
	var parts []types.CompletedPart
	for offset := int64(0); offset < info.Size; offset += step {
		number, span := int32(len(parts)+1), rangeHeader(offset, min(step, info.Size-offset))
		out, err := s.api.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &s.cfg.Bucket, Key: &dstKey, UploadId: &up.id, PartNumber: &number,
			CopySource: &source, CopySourceRange: &span, CopySourceIfMatch: &info.ETag,
		})
		if err != nil {
			return contract.ObjectInfo{}, errors.Join(s.explain(ctx, "copying", info.Key, err), up.abort(ctx))
		}
		parts = append(parts, types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag})
	}
	return up.complete(ctx, parts)
}

// copySource is "bucket/key" as a URL path, which the SDK does not encode.
func copySource(bucket, key string) string {
	segments := strings.Split(key, "/")
	for i, segment := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(segment), "+", "%2B")
	}
	return bucket + "/" + strings.Join(segments, "/")
}

// Delete removes an object.
func (s *s3Store) Delete(ctx context.Context, key string) error {
	_, err := s.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.cfg.Bucket, Key: &key})
	return s.explain(ctx, "deleting", key, err)
}
