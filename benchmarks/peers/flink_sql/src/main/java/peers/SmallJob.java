package peers;

import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableEnvironment;

/**
 * The small job in Flink SQL: two continuous queries over one Kafka table, in a cluster inside this
 * process. State is on the heap and there are no checkpoints. Mini-batches are what Flink's own
 * performance tuning recommends for aggregations like these.
 */
public final class SmallJob {
  private static final String EVENTS =
      """
      CREATE TABLE events (
        event STRING,
        userId STRING,
        `timestamp` TIMESTAMP_LTZ(3),
        context ROW<groupId STRING>
      ) WITH (
        'connector' = 'kafka',
        'topic' = '%s',
        'properties.bootstrap.servers' = '%s',
        'scan.startup.mode' = 'earliest-offset',
        'scan.bounded.mode' = 'latest-offset',
        'format' = 'json',
        'json.timestamp-format.standard' = 'ISO-8601'
      )
      """;

  private static final String ACTIVE_USERS =
      """
      CREATE TABLE active_users (
        account STRING,
        `day` STRING,
        users BIGINT,
        PRIMARY KEY (account, `day`) NOT ENFORCED
      ) WITH (%s)
      """;

  private static final String ACTIVATIONS =
      """
      CREATE TABLE activations (
        `user` STRING,
        account STRING,
        lag_ms BIGINT,
        PRIMARY KEY (`user`, account) NOT ENFORCED
      ) WITH (%s)
      """;

  private static final String SINK =
      """
        'connector' = 'upsert-kafka',
        'topic' = '%s',
        'properties.bootstrap.servers' = '%s',
        'properties.compression.type' = 'lz4',
        'properties.linger.ms' = '50',
        'key.format' = 'json',
        'value.format' = 'json'
      """;

  private static final String COUNT_ACTIVE_USERS =
      """
      INSERT INTO active_users
      SELECT context.groupId, DATE_FORMAT(`timestamp`, 'yyyy-MM-dd'), COUNT(DISTINCT userId)
      FROM events
      GROUP BY context.groupId, DATE_FORMAT(`timestamp`, 'yyyy-MM-dd')
      """;

  private static final String FIND_ACTIVATIONS =
      """
      INSERT INTO activations
      SELECT
        userId,
        account,
        CAST(
          (EXTRACT(EPOCH FROM activated_at) - EXTRACT(EPOCH FROM first_at)) * 1000
          + EXTRACT(MILLISECOND FROM activated_at) - EXTRACT(MILLISECOND FROM first_at)
        AS BIGINT)
      FROM (
        SELECT
          userId,
          context.groupId AS account,
          MIN(`timestamp`) AS first_at,
          MIN(`timestamp`) FILTER (WHERE event = 'Report Created') AS activated_at
        FROM events
        GROUP BY userId, context.groupId
      )
      WHERE activated_at IS NOT NULL
      """;

  private static TableEnvironment environment(String parallelism) {
    TableEnvironment environment =
        TableEnvironment.create(EnvironmentSettings.inStreamingMode());
    Map.of(
            "parallelism.default", parallelism,
            "table.local-time-zone", "UTC",
            "table.exec.mini-batch.enabled", "true",
            "table.exec.mini-batch.allow-latency", "1 s",
            "table.exec.mini-batch.size", "5000",
            "taskmanager.memory.managed.size", "256m")
        .forEach((name, value) -> environment.getConfig().set(name, value));
    return environment;
  }

  /** `--name value` pairs. */
  private static Map<String, String> options(String[] arguments) {
    return IntStream.range(0, arguments.length / 2)
        .boxed()
        .collect(Collectors.toMap(i -> arguments[2 * i].substring(2), i -> arguments[2 * i + 1]));
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = options(arguments);
    String bootstrap = options.get("bootstrap-servers");
    TableEnvironment environment = environment(options.get("threads"));
    environment.executeSql(EVENTS.formatted(options.get("topic"), bootstrap));
    environment.executeSql(
        ACTIVE_USERS.formatted(SINK.formatted(options.get("active-users"), bootstrap)));
    environment.executeSql(
        ACTIVATIONS.formatted(SINK.formatted(options.get("activations"), bootstrap)));
    StatementSet queries = environment.createStatementSet();
    queries.addInsertSql(COUNT_ACTIVE_USERS);
    queries.addInsertSql(FIND_ACTIVATIONS);
    queries.execute().await();
  }
}
