package peers;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The small job on Kafka Streams, exactly once: one processor, its state in RocksDB with a changelog
 * topic, outputs and offsets in one transaction a commit. The store's keys are one for each user and
 * day, so that a set of users costs what is added to it, and one for each user.
 */
public final class SmallJob {
  private static final long DAY_MS = 86_400_000L;
  private static final String STORE = "users";
  private static final String ACTIVATIONS = "activations";
  private static final String ACTIVE_USERS = "active-users";

  @JsonIgnoreProperties(ignoreUnknown = true)
  record Context(String groupId) {}

  @JsonIgnoreProperties(ignoreUnknown = true)
  record Event(String event, String userId, String timestamp, Context context) {}

  record Activation(String user, String account, long lag_ms) {}

  record ActiveUsers(String account, String day, long users) {}

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ObjectReader EVENTS = JSON.readerFor(Event.class);

  /** Counts the events that all threads have processed and opens the latch at the last. */
  record Progress(long events, AtomicLong processed, CountDownLatch done) {
    void count() {
      if (processed.incrementAndGet() == events) {
        done.countDown();
      }
    }
  }

  static final class Measure implements Processor<String, byte[], String, String> {
    private final Progress progress;
    private ProcessorContext<String, String> context;
    private KeyValueStore<String, String> store;

    Measure(Progress progress) {
      this.progress = progress;
    }

    @Override
    public void init(ProcessorContext<String, String> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      try {
        measure(EVENTS.readValue(record.value()), record.timestamp());
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      progress.count();
    }

    private void measure(Event event, long recordMs) throws IOException {
      String account = event.context().groupId();
      String user = event.userId();
      long ms = Instant.parse(event.timestamp()).toEpochMilli();
      String day = event.timestamp().substring(0, 10);

      if (store.putIfAbsent("active|" + account + "|" + day + "|" + user, "") == null) {
        String counted = "count|" + account + "|" + day;
        String before = store.get(counted);
        long users = before == null ? 1 : Long.parseLong(before) + 1;
        store.put(counted, Long.toString(users));
        send(ACTIVE_USERS, account, new ActiveUsers(account, day, users), recordMs);
      }
      String first = store.putIfAbsent("first|" + user, Long.toString(ms));
      if (event.event().equals("Report Created")) {
        long lag = first == null ? 0 : ms - Long.parseLong(first);
        if (store.putIfAbsent("lag|" + user, Long.toString(lag)) == null) {
          send(ACTIVATIONS, account, new Activation(user, account, lag), recordMs);
        }
      }
    }

    private void send(String to, String key, Object value, long recordMs) throws IOException {
      context.forward(new Record<>(key, JSON.writeValueAsString(value), recordMs), to);
    }
  }

  private static Topology topology(Map<String, String> options, Progress progress) {
    Topology topology = new Topology();
    topology.addSource(
        "events", new StringDeserializer(), new ByteArrayDeserializer(), options.get("topic"));
    topology.addProcessor("measure", () -> new Measure(progress), "events");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.String())
            .withCachingEnabled(),
        "measure");
    for (String output : new String[] {ACTIVATIONS, ACTIVE_USERS}) {
      topology.addSink(
          output, options.get(output), new StringSerializer(), new StringSerializer(), "measure");
    }
    return topology;
  }

  private static Properties settings(Map<String, String> options) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("group"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap-servers"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, options.get("work"));
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("threads"));
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    // The default of 100 ms would cost throughput; Headwater's checkpoints under load are as rare.
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    return settings;
  }

  /** `--name value` pairs. */
  private static Map<String, String> options(String[] arguments) {
    return IntStream.range(0, arguments.length / 2)
        .boxed()
        .collect(Collectors.toMap(i -> arguments[2 * i].substring(2), i -> arguments[2 * i + 1]));
  }

  public static void main(String[] arguments) throws InterruptedException {
    Map<String, String> options = options(arguments);
    long events = Long.parseLong(options.get("events"));
    Progress progress = new Progress(events, new AtomicLong(), new CountDownLatch(1));
    KafkaStreams streams = new KafkaStreams(topology(options, progress), settings(options));
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    streams.start();
    progress.done().await();
    streams.close(); // which commits what is still open
  }
}
