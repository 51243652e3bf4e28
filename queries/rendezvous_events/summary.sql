-- section: Rendezvous
SELECT kind,
       count(*) AS findings,
       count(*) - count(explained_by) AS unexplained,
       count(*) FILTER (WHERE significant) AS significant,
       count(DISTINCT operator) AS operators,
       max(visits) AS most_visits,
       max(confidence) AS best_confidence
FROM derived.rendezvous_events
GROUP BY kind
ORDER BY kind DESC
