package config

import "time"

// TimeLimit is how long the child may run.
func (cfg *Config) TimeLimit() time.Duration {
	if t := cfg.Job.Training; t != nil {
		return t.MaxTrainingTime
	}
	return time.Duration(cfg.MaxTrainingSeconds) * time.Second
}
