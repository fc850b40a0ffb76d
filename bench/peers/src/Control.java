package peers;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * How bench/run speaks with a peer's process: POST /COMMAND with its words as body; GET /metrics as
 * bench/watch.c reads it; GET /readyz, 200 from the start. Loopback only.
 */
final class Control {
    private Control() { }

    interface Command {
        void run(String[] words) throws Exception;
    }

    static void serve(int port, Map<String, Command> commands, Supplier<Map<String, Long>> counters)
            throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/metrics", x -> answer(x, 200, exposition(counters.get())));
        server.createContext("/readyz", x -> answer(x, 200, "ready\n"));
        commands.forEach((name, command) ->
            server.createContext("/" + name, x -> command(x, name, command)));
        server.start();
    }

    private static void command(HttpExchange exchange, String name, Command command)
            throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        try {
            command.run(body.trim().split(" "));
            answer(exchange, 200, "done\n");
        } catch (Exception e) {
            System.err.println(name + " failed");
            e.printStackTrace();
            answer(exchange, 500, e + "\n");
        }
    }

    private static String exposition(Map<String, Long> counters) {
        StringBuilder text = new StringBuilder();
        new TreeMap<>(counters).forEach((name, value) ->
            text.append("peer_").append(name).append("_total ").append(value).append('\n'));
        return text.toString();
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    /** What can't go on says why and ends the process: bench/run sees that. */
    static void fatal(Throwable e) {
        e.printStackTrace();
        Runtime.getRuntime().halt(1);
    }
}
