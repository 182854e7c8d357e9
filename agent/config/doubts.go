package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// doubts are warnings: settings with which a job may run, and end as nobody meant.
func (c *Config) doubts() (problems []Problem) {
	doubt := func(name, text string) {
		problems = append(problems, Problem{Variable: name, Expected: text, Warning: true})
	}
	if strings.EqualFold(c.Device, "gpu") {
		doubt("DEVICE", "is "+c.Device+", which PyTorch calls cuda: a trainer that passes it on as it is will fail")
	}
	if _, err := os.Stat(c.WeightsDir); c.JobType == string(contract.JobTraining) && c.Pretrained && c.WeightsDir != "" && err != nil {
		doubt("AGENT_WEIGHTS_DIR", "is "+c.WeightsDir+", which cannot be read here ("+pathReason(err)+"): no pretrained weights are found in it. Mount the folder, or correct the path")
	}
	if c.JobType == string(contract.JobTraining) && contract.MetricMode(c.PrimaryMetricMode) == contract.MetricMax && contract.IsLoss(c.PrimaryMetric) {
		doubt("PRIMARY_METRIC_MODE", "is max, so the epoch with the largest "+c.PrimaryMetric+" counts as the best; min is meant, most probably")
	}
	return problems
}

// pathReason is what the system says of a path, without the path.
func pathReason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}
