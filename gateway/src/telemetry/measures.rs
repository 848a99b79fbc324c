//! What `GET /metrics` shows, as OTLP metrics: the same names, numbers and labels, cumulative since the start.

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, metric,
        number_data_point::Value,
    },
};

use super::logs::attribute;
use crate::metrics::{Family, Kind, Page, Sample};

/// The metrics of a page that was asked at `now`, all counted since `start`; both in nanoseconds since 1970-01-01 UTC.
pub(super) fn metrics(page: &Page, start: u64, now: u64) -> Vec<Metric> {
    page.families().map(|(name, family)| one(name, family, start, now)).collect()
}

fn one(name: &str, family: &Family, start: u64, now: u64) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative as i32;
    let data = match family.kind {
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers(family, 0, now) }),
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(family, start, now),
            aggregation_temporality,
            is_monotonic: true,
        }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: distributions(family, start, now),
            aggregation_temporality,
        }),
    };
    Metric { name: name.to_owned(), description: family.help.to_owned(), data: Some(data), ..Metric::default() }
}

fn numbers(family: &Family, start_time_unix_nano: u64, time_unix_nano: u64) -> Vec<NumberDataPoint> {
    let point = |sample: &Sample| match sample {
        Sample::Number(labels, value) => Some(NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano,
            time_unix_nano,
            value: Some(Value::AsDouble(*value)),
            ..NumberDataPoint::default()
        }),
        Sample::Distribution { .. } => None,
    };
    family.samples.iter().filter_map(point).collect()
}

fn distributions(family: &Family, start_time_unix_nano: u64, time_unix_nano: u64) -> Vec<HistogramDataPoint> {
    let point = |sample: &Sample| match sample {
        Sample::Distribution { bounds, counts, sum } => Some(HistogramDataPoint {
            start_time_unix_nano,
            time_unix_nano,
            count: counts.iter().sum(),
            sum: Some(*sum),
            bucket_counts: counts.clone(),
            explicit_bounds: bounds.clone(),
            ..HistogramDataPoint::default()
        }),
        Sample::Number(..) => None,
    };
    family.samples.iter().filter_map(point).collect()
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| attribute(name, any_value::Value::StringValue(value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;

    #[test]
    fn a_page_becomes_metrics_with_the_same_numbers() {
        let registry = Registry::default();
        let sizes = crate::metrics::Histogram::new(&[1_000, 5_000_000], 1_000_000.0);
        for amount in [1_000, 1_001, 9_000_000] {
            sizes.observe(amount);
        }
        registry.add(|page| page.gauge("b_bytes", "Room.", &[("disk", "a")], 1.5));
        registry.add(move |page| page.histogram("c_seconds", "Time.", &sizes));
        registry.add(|page| page.counter("a_total", "All.", &[], 7));
        let metrics = metrics(&registry.page(), 3, 4);
        let [a, b, c] = metrics.as_slice() else { panic!("{metrics:?}") };
        let Some(metric::Data::Sum(sum)) = &a.data else { panic!("{a:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        let point = &sum.data_points[0];
        assert_eq!((point.value, point.start_time_unix_nano, point.time_unix_nano), (Some(Value::AsDouble(7.0)), 3, 4));
        let Some(metric::Data::Gauge(gauge)) = &b.data else { panic!("{b:?}") };
        assert_eq!(gauge.data_points[0].value, Some(Value::AsDouble(1.5)));
        assert_eq!(gauge.data_points[0].attributes[0].key, "disk");
        let Some(metric::Data::Histogram(histogram)) = &c.data else { panic!("{c:?}") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.bucket_counts.clone()), (3, vec![1, 1, 1]));
        assert_eq!((point.explicit_bounds.clone(), point.sum), (vec![0.001, 5.0], Some(9.002_001)));
    }
}
