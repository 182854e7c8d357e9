package storage

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/vision-platform/trainer-agent/contract"
)

// Open makes the store that cfg describes. It reads the configuration and the CA
// file but sends nothing to the bucket: Check does.
func Open(ctx context.Context, cfg Config) (Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	base, err := openBase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return decorate(base, cfg), nil
}

// openBase makes the store whose reads are one connection each.
func openBase(ctx context.Context, cfg Config) (Store, error) {
	if cfg.Type == contract.StorageLocal {
		return openLocal(cfg.LocalDir)
	}
	return openS3(ctx, cfg)
}

// decorate adds what every store has, the local one too. A read goes on beneath the
// two others, so that they see its bytes once.
func decorate(base Store, cfg Config) Store {
	return pace(count(resume(base, cfg), cfg.Counts), cfg.UploadBytesPerSecond, cfg.DownloadBytesPerSecond)
}

type s3Store struct {
	place
	api *s3.Client
}

func openS3(ctx context.Context, cfg Config) (*s3Store, error) {
	client, err := HTTPClient(cfg)
	if err != nil {
		return nil, err
	}
	creds, region, err := credentialsOf(ctx, cfg, client)
	if err != nil {
		return nil, err
	}
	at := place{cfg, region}
	api := s3.New(s3.Options{
		Region:       region,
		Credentials:  creds,
		HTTPClient:   client,
		UsePathStyle: cfg.pathStyle(),
		BaseEndpoint: endpoint(cfg),
		Retryer:      newRetryer(cfg, at.again()),
		// Integrity is ours: every body is signed with its SHA-256, which every
		// store checks. The SDK's own trailing checksums are refused by many.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		// "Expect: 100-continue" costs a round trip a part, and a second of
		// waiting behind proxies that never answer it.
		ContinueHeaderThresholdBytes:              -1,
		DisableLogOutputChecksumValidationSkipped: true,
	})
	return &s3Store{at, api}, nil
}

func endpoint(cfg Config) *string {
	if cfg.Endpoint == "" {
		return nil
	}
	return &cfg.Endpoint
}

// credentialsOf returns the given keys, or the SDK's default chain (web identity
// of IRSA, instance role, shared files), which is also asked for a region. Loading it starts
// no program and sends no secret: what the shared files say is judged before either.
func credentialsOf(ctx context.Context, cfg Config, client *http.Client) (aws.CredentialsProvider, string, error) {
	if cfg.AccessKeyID != "" {
		return credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey, cfg.SessionToken), cfg.Region, nil
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(chainClient(client)), config.WithDefaultRegion(cfg.Region),
		config.WithLogger(sdkLog(cfg)))
	if err != nil {
		return nil, "", contract.Failf(contract.CodeStorageForbidden, "finding storage credentials on this machine: %w", err).
			WithHint("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role.")
	}
	if err := profileOf(loaded, cfg.Region).refuse(cfg); err != nil {
		return nil, "", err
	}
	return loaded.Credentials, loaded.Region, nil
}

// chainClient is the client as the one type to which the SDK can add AWS_CA_BUNDLE; any
// other it refuses where that is set.
func chainClient(client *http.Client) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if ours, ok := client.Transport.(*http.Transport); ok {
			t.Proxy, t.DialContext, t.TLSClientConfig = ours.Proxy, ours.DialContext, ours.TLSClientConfig.Clone()
			t.ResponseHeaderTimeout = ours.ResponseHeaderTimeout
		}
	})
}

// sdkLog takes what the SDK would write to standard error by itself.
func sdkLog(cfg Config) logging.Logger {
	return logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
		cfg.Log.Debug("the AWS SDK says: " + fmt.Sprintf(format, args...))
	})
}
