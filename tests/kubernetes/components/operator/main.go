// What Prometheus Operator makes of manifests, by its own code.
//
//	operator decode < manifests            every object of the operator decodes into its Go type, no field unknown; says what it saw
//	operator configure -api-server … < …   the configuration that it would hand to its Prometheus
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	"github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("say decode or configure")
	}
	objects, err := decode(os.Stdin)
	if err != nil {
		return err
	}
	switch arguments[0] {
	case "decode":
		for _, object := range objects {
			name := object.(metav1.Object).GetName()
			fmt.Printf("%s %s\n", object.GetObjectKind().GroupVersionKind().Kind, name)
		}
		return nil
	case "configure":
		return configure(objects, arguments[1:])
	}
	return fmt.Errorf("no such command: %s", arguments[0])
}

// decode reads YAML documents; what is not the operator's is left out.
func decode(from io.Reader) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	if err := monitoringv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(from))
	var objects []runtime.Object
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		var kind metav1.TypeMeta
		if err := sigsyaml.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		if kind.GroupVersionKind().Group != monitoring.GroupName {
			continue
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

// configure prints what the operator generates for a Prometheus that selects every monitor among the objects.
func configure(objects []runtime.Object, arguments []string) error {
	flags := flag.NewFlagSet("configure", flag.ExitOnError)
	server := flags.String("api-server", "", "address of the API server")
	token := flags.String("token-file", "", "file with the token for it")
	version := flags.String("prometheus-version", "", "version of Prometheus that will read it")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	insecure := true
	wanted := &monitoringv1.Prometheus{
		ObjectMeta: metav1.ObjectMeta{Name: "k8s", Namespace: "monitoring"},
		Spec: monitoringv1.PrometheusSpec{
			EvaluationInterval: "1s",
			CommonPrometheusFields: monitoringv1.CommonPrometheusFields{
				Version:        *version,
				ScrapeInterval: "1s",
				APIServerConfig: &monitoringv1.APIServerConfig{
					Host: *server,
					Authorization: &monitoringv1.Authorization{
						SafeAuthorization: monitoringv1.SafeAuthorization{Type: "Bearer"},
						CredentialsFile:   *token,
					},
					TLSConfig: &monitoringv1.TLSConfig{
						SafeTLSConfig: monitoringv1.SafeTLSConfig{InsecureSkipVerify: &insecure},
					},
				},
			},
		},
	}
	services := map[string]*monitoringv1.ServiceMonitor{}
	pods := map[string]*monitoringv1.PodMonitor{}
	for _, object := range objects {
		switch monitor := object.(type) {
		case *monitoringv1.ServiceMonitor:
			services[monitor.Namespace+"/"+monitor.Name] = monitor
		case *monitoringv1.PodMonitor:
			pods[monitor.Namespace+"/"+monitor.Name] = monitor
		}
	}
	generator, err := prometheus.NewConfigGenerator(nil, wanted)
	if err != nil {
		return err
	}
	configuration, err := generator.GenerateServerConfiguration(
		wanted, services, pods, nil, nil, &assets.StoreBuilder{}, nil, nil, nil, nil,
	)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(configuration)
	return err
}
