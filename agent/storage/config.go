package storage

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Addressing says where the bucket's name goes in a request.
type Addressing string

// AddressAuto is the host name for AWS and the path for everything else, because
// MinIO, R2 and most gateways have no wildcard DNS of their own.
const (
	AddressAuto    Addressing = ""
	AddressPath    Addressing = "path"
	AddressVirtual Addressing = "virtual"
)

// Config says which store to open. Zero values of the lower half are the
// defaults named beside them.
type Config struct {
	Type            contract.StorageType
	Endpoint        string // http(s) URL; empty means AWS
	Region          string // default "us-east-1", for R2 "auto"
	Bucket          string
	AccessKeyID     string // with SecretAccessKey empty too: the SDK's default chain
	SecretAccessKey string
	SessionToken    string
	LocalDir        string // the bucket's folder when Type is local
	Apart           bool   // trainings are another user than this process: its files are not theirs

	Addressing             Addressing
	CAFile                 string              // PEM file trusted beside the system's
	Getenv                 func(string) string // for HTTPS_PROXY and the like; default os.Getenv
	UploadBytesPerSecond   int64               // 0 = no cap
	DownloadBytesPerSecond int64               // 0 = no cap
	Concurrency            int                 // parts of one upload in flight, default 8
	MaxAttempts            int                 // tries of one request, default 6
	MaxBackoff             time.Duration       // longest wait between two tries, default 20 s
	StallTimeout           time.Duration       // a connection that moves no byte this long is broken, default 60 s
	Counts                 *Counts             // what the store did, for a metrics endpoint; default counted for nobody
	Now                    func() time.Time    // for the measured clock skew, default time.Now
	Log                    *slog.Logger        // default discards
}

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = "us-east-1"
		if c.Type == contract.StorageR2 {
			c.Region = "auto"
		}
	}
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 8
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 6
	}
	if c.MaxBackoff <= 0 {
		c.MaxBackoff = 20 * time.Second
	}
	if c.StallTimeout <= 0 {
		c.StallTimeout = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Counts == nil {
		c.Counts = new(Counts)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Endpoint = strings.TrimRight(c.Endpoint, "/")
	return c
}

// aws reports whether the requests go to AWS itself, which is known to take
// every feature of the current SDK.
func (c Config) aws() bool {
	if c.Endpoint == "" {
		return true
	}
	u, err := url.Parse(c.Endpoint)
	return err == nil && strings.HasSuffix(u.Hostname(), ".amazonaws.com")
}

// checksums reports whether the store is known to check and keep
// x-amz-checksum-sha256. The others check the hash that signs the payload.
func (c Config) checksums() bool { return c.aws() || c.Type == contract.StorageMinIO }

func (c Config) pathStyle() bool {
	switch c.Addressing {
	case AddressPath:
		return true
	case AddressVirtual:
		return false
	}
	return !c.aws()
}

func (c Config) validate() error {
	if c.Type == contract.StorageLocal {
		if c.LocalDir == "" {
			return contract.Failf(contract.CodeConfigInvalid, "the local bucket has no folder").
				WithHint("Set AGENT_LOCAL_BUCKET_DIR.")
		}
		return nil
	}
	if c.Bucket == "" {
		return contract.Failf(contract.CodeConfigInvalid, "no bucket is named").WithHint("Set BUCKET_NAME.")
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		return contract.Failf(contract.CodeConfigInvalid, "only one half of the storage credentials is set").
			WithHint("Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither to use the machine's own role.")
	}
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return contract.Failf(contract.CodeConfigInvalid, "%s", fmt.Sprintf("the storage endpoint %q is not an http(s) URL", c.Endpoint)).
			WithHint("Set S3_ENDPOINT, for example http://localhost:9000.")
	}
	return nil
}
