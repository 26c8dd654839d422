package cli

import (
	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/record/metric"
	"qme/tasks"
)

// metricFlags are the options that ask a run for metrics. A command that has them sets DisableSliceFlagSeparator.
func metricFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "metric", Usage: "record the metric `NAME`, or NAME=REGEX, of the output, with last, first, min, max or mean after a blank; may be repeated"},
		&cli.StringSliceFlag{Name: "metric-file", Usage: "record the numbers in `FILE`, JSON or a table, if the run writes it; may be repeated", TakesFile: true},
	}
}

// readMetrics reads what a run is asked for by a command line. The error is a usageError.
func readMetrics(c *cli.Command) (tasks.MetricOptions, error) {
	o := tasks.MetricOptions{Files: c.StringSlice("metric-file")}
	var err error
	if o.Specs, err = metric.ParseAll(c.StringSlice("metric")); err == nil {
		err = tasks.CheckMetricFiles(o.Files)
	}
	if err != nil {
		return tasks.MetricOptions{}, &usageError{msg: said(err.Error()), help: "qme " + c.Name + " --help"}
	}
	return o, nil
}

// metricsOfSettings returns what each run is asked for by the settings.
func metricsOfSettings(cfg *config.Config) (o tasks.MetricOptions, err error) {
	o.Files = cfg.List("run.metric_files")
	o.Specs, err = metric.ParseAll(cfg.List("run.metrics"))
	return o, err
}
