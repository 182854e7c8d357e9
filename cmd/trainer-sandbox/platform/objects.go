package platform

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// maxRead bounds the object that Read holds in memory, bytes.
const maxRead = 64 << 20

// Object is what a listing says of one.
type Object struct {
	Key  string
	Size int64 // bytes
}

// Put stores an object in the platform's bucket.
func (p *Platform) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	_, err := p.Store.Client().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(p.config.Bucket), Key: aws.String(key), Body: body})
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
}

// Read returns an object of the platform's bucket.
func (p *Platform) Read(ctx context.Context, key string) ([]byte, error) {
	out, err := p.Store.Client().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(p.config.Bucket), Key: aws.String(key)})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	defer func() { _ = out.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxRead+1))
	if err == nil && len(body) > maxRead {
		err = fmt.Errorf("it has more than %d bytes", maxRead)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	return body, nil
}

// Objects lists the platform's bucket below a prefix, by key.
func (p *Platform) Objects(ctx context.Context, prefix string) (list []Object, err error) {
	pages := s3.NewListObjectsV2Paginator(p.Store.Client(), &s3.ListObjectsV2Input{Bucket: aws.String(p.config.Bucket), Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the bucket: %w", err)
		}
		for _, o := range page.Contents {
			list = append(list, Object{aws.ToString(o.Key), aws.ToInt64(o.Size)})
		}
	}
	return list, nil
}
