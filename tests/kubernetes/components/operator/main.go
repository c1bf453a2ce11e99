// What Prometheus Operator makes of manifests, by its own code.
//
//	operator validate < manifests    decodes the operator's objects into its Go types, refuses unknown fields and what is no rule
//	operator configure … < manifests prints the configuration that the operator would hand to its Prometheus
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
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	"github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	corev1 "k8s.io/api/core/v1"
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
		return errors.New("say validate or configure")
	}
	objects, err := decode(os.Stdin)
	if err != nil {
		return err
	}
	switch arguments[0] {
	case "validate":
		return validate(objects)
	case "configure":
		return configure(objects, arguments[1:])
	}
	return fmt.Errorf("no such command: %s", arguments[0])
}

// decode reads YAML documents; what is neither the operator's nor a Secret is left out.
func decode(from io.Reader) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(monitoringv1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
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
		if kind.GroupVersionKind().Group != monitoring.GroupName && kind.Kind != "Secret" {
			continue
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

// validate says what it saw, and refuses rules that Prometheus would refuse.
func validate(objects []runtime.Object) error {
	var refused []error
	for _, object := range objects {
		fmt.Println(object.GetObjectKind().GroupVersionKind().Kind, object.(metav1.Object).GetName())
		if rules, ok := object.(*monitoringv1.PrometheusRule); ok {
			refused = append(refused, operator.ValidateRule(rules.Spec)...)
		}
	}
	return errors.Join(refused...)
}

// configure prints what the operator generates for a Prometheus that selects every monitor among the objects.
func configure(objects []runtime.Object, arguments []string) error {
	flags := flag.NewFlagSet("configure", flag.ExitOnError)
	version := flags.String("prometheus-version", "", "version of Prometheus that will read it")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	wanted := &monitoringv1.Prometheus{
		ObjectMeta: metav1.ObjectMeta{Name: "k8s", Namespace: "monitoring"},
		Spec: monitoringv1.PrometheusSpec{
			EvaluationInterval: "1s",
			CommonPrometheusFields: monitoringv1.CommonPrometheusFields{
				Version:        *version,
				ScrapeInterval: "1s",
			},
		},
	}
	services := map[string]*monitoringv1.ServiceMonitor{}
	pods := map[string]*monitoringv1.PodMonitor{}
	var secrets []any
	for _, object := range objects {
		switch known := object.(type) {
		case *monitoringv1.ServiceMonitor:
			services[known.Namespace+"/"+known.Name] = known
		case *monitoringv1.PodMonitor:
			pods[known.Namespace+"/"+known.Name] = known
		case *corev1.Secret:
			secrets = append(secrets, known)
		}
	}
	generator, err := prometheus.NewConfigGenerator(nil, wanted)
	if err != nil {
		return err
	}
	configuration, err := generator.GenerateServerConfiguration(
		wanted, services, pods, nil, nil, assets.NewTestStoreBuilder(secrets...), nil, nil, nil, nil,
	)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(configuration)
	return err
}
