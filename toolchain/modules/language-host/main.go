// Command pulumi-language-python is the language host that lets the Pulumi engine run programs, policy packs and
// plugins written in Python. The published host cannot be built from Go modules alone, so this is a small one of our
// own on the interfaces of Pulumi's Go SDK. It is only used where the official host cannot be had.
//
// Two scripts of the SDK must lie beside the binary: pulumi-language-python-exec, which starts a program, and
// pulumi-resource-pulumi-python, which the engine starts by itself for dynamic resources.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/logging"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// The host follows the engine out within this time when the engine dies without saying so.
const engineCheckInterval = 5 * time.Second

func main() {
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-python: %v\n", err)
		os.Exit(1)
	}
}

func serve() error {
	// The flags are those that the engine passes to every plugin.
	flags := flag.NewFlagSet("pulumi-language-python", flag.ContinueOnError)
	logToStderr := flags.Bool("logtostderr", false, "log to standard error")
	logFlow := flags.Bool("logflow", false, "pass logging settings on to child processes")
	verbosity := flags.Int("v", 0, "log level")
	flags.String("tracing", "", "accepted and ignored: this host emits no traces")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	logging.InitLogging(*logToStderr, *verbosity, *logFlow)

	// Without an engine's address (as when a person starts the host by hand) there is nothing to watch.
	engine := flags.Arg(0)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if engine != "" {
		if err := rpcutil.Healthcheck(ctx, engine, engineCheckInterval, stop); err != nil {
			return fmt.Errorf("cannot watch the engine at %s: %w", engine, err)
		}
	}

	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()

	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, newHost(ctx, engine))
			return nil
		},
		Options: rpcutil.TracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return err
	}

	// The engine reads the port from the first line of standard output.
	fmt.Println(handle.Port)
	return <-handle.Done
}
