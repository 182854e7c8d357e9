package objects

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// patience bounds one document with all its tries.
const patience = time.Minute

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

// Put writes a document.
func (b *Bucket) Put(ctx context.Context, key string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(b.name), Key: aws.String(key), Body: bytes.NewReader(text), ContentType: aws.String("application/json"),
	})
	return err
}
