-- section: Now
SELECT sensor, ts AS "time", cpu_percent, memory_percent, memory_mb, disk_usage_percent, disk_free_gb,
       open_files, threads, active_connections, queue_size, events_per_second
FROM (
    SELECT *, row_number() OVER (PARTITION BY sensor ORDER BY ts DESC) AS age
    FROM captured.system_metrics
)
WHERE age = 1
ORDER BY sensor

-- section: On average
SELECT sensor,
       count(*) AS samples,
       avg(cpu_percent) AS cpu_percent,
       max(cpu_percent) AS most_cpu_percent,
       avg(memory_mb) AS memory_mb,
       max(memory_mb) AS most_memory_mb,
       min(disk_free_gb) AS least_disk_free_gb,
       avg(active_connections) AS active_connections,
       avg(events_per_second) AS events_per_second,
       max(events_per_second) AS most_events_per_second,
       sum(kernel_drops) AS kernel_drops,
       sum(queue_drops) AS queue_drops,
       sum(storage_drops) AS storage_drops
FROM captured.system_metrics
GROUP BY sensor
ORDER BY sensor

-- section: Hour by hour
SELECT date_trunc('hour', ts) AS "hour",
       sensor,
       avg(cpu_percent) AS cpu_percent,
       avg(memory_mb) AS memory_mb,
       min(disk_free_gb) AS disk_free_gb,
       avg(active_connections) AS active_connections,
       avg(events_per_second) AS events_per_second,
       sum(network_bytes_sent) AS network_bytes_sent,
       sum(network_bytes_recv) AS network_bytes_recv,
       max(queue_size) AS longest_queue,
       sum(kernel_drops + queue_drops + storage_drops) AS drops
FROM captured.system_metrics
GROUP BY 1, sensor
ORDER BY 1 DESC, sensor
