package objects

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxDocument bounds what is read.
const maxDocument = 16 << 20

const (
	patience      = time.Minute      // bounds one document with all its tries
	filePatience  = 10 * time.Minute // and one file
	checkPatience = 3 * time.Second
)

// Bucket is a bucket of an S3 store.
type Bucket struct {
	name   string
	client *s3.Client
}

// OpenBucket returns a bucket. The store and its keys are those of the AWS variables
// (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …) and files.
func OpenBucket(ctx context.Context, name string) (*Bucket, error) {
	if name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("%q is no bucket's name: write s3://NAME", name)
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the store's settings: %w", err)
	}
	if c.Region == "" {
		c.Region = "us-east-1" // stores other than Amazon's take any
	}
	return &Bucket{name, s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })}, nil
}

// Get reads a document; fs.ErrNotExist where there is none.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	object, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(b.name), Key: aws.String(key)})
	if _, none := errors.AsType[*types.NoSuchKey](err); none {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = object.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(object.Body, maxDocument+1))
	if err == nil && len(text) > maxDocument {
		err = fmt.Errorf("%s has more than %d bytes", key, maxDocument)
	}
	return text, err
}

// Delete removes a document, if there is one.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(b.name), Key: aws.String(key)})
	return err
}

// List returns the keys that begin so.
func (b *Bucket) List(ctx context.Context, prefix string) (keys []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: aws.String(b.name), Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
	}
	return keys, nil
}

// PutFile writes a file; the store refuses bytes that have another SHA-256.
func (b *Bucket) PutFile(ctx context.Context, key string, file *os.File, sha256 string) error {
	sum, err := hex.DecodeString(sha256)
	if err != nil {
		return fmt.Errorf("%q is no SHA-256: %w", sha256, err)
	}
	ctx, cancel := context.WithTimeout(ctx, filePatience)
	defer cancel()
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(b.name), Key: aws.String(key), Body: file, ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum)),
	})
	return err
}

// Open reads a file; fs.ErrNotExist where there is none.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, filePatience)
	object, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(b.name), Key: aws.String(key)})
	if _, none := errors.AsType[*types.NoSuchKey](err); none {
		err = fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return bounded{object.Body, cancel}, nil
}

// bounded ends its context when it is closed.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// ErrNoBucket is a store that answers, and has no such bucket.
var ErrNoBucket = errors.New("the store has no such bucket")

// Check says why the bucket cannot be used.
func (b *Bucket) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	_, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(b.name)}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
	if _, none := errors.AsType[*types.NotFound](err); none {
		return ErrNoBucket
	}
	return err
}

// Put writes a document.
func (b *Bucket) Put(ctx context.Context, key string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(b.name), Key: aws.String(key), Body: bytes.NewReader(text), ContentType: aws.String("application/json"),
	})
	return err
}
